"""Pools on servers that the kit has made, and who uses them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from redis_pool_ext import configure
from redis_pool_ext.testing import Block, fake_pools, isolated_pools

from .callers import Tasks, Threads

KINDS = {"fake": fake_pools, "real": isolated_pools}


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The address of a server that there is not."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        yield f"redis://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(params=KINDS)
def kind(request) -> Block[None]:
    """`fake_pools()`, and `isolated_pools()` on a server of this process' own."""
    if request.param == "fake":
        pytest.importorskip("fakeredis")
    return KINDS[request.param]()


@pytest.fixture
def pools(kind: Block[None], nowhere: str) -> Iterator[None]:
    """Two pools that are configured for a server that is not there."""
    entry = {"MAX_CONNECTIONS": 2, "TIMEOUT": 5.0, "OPTIONS": {"socket_timeout": 5.0}}
    configure({"default": {"URL": f"{nowhere}/0", **entry}, "reports": f"{nowhere}/1"})
    with kind:
        yield


@pytest.fixture(params=[Threads, Tasks])
def caller(request, pools: None) -> Iterator[Threads | Tasks]:
    """One who uses them."""
    caller = request.param()
    yield caller
    caller.close()
