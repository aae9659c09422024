"""A server with something stored, a proxy in front of it, and a measured machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..support.clock import Metronome
from ..support.proxy import FaultyProxy
from ..support.server import Server
from .kinds import LARGE_KEY, LARGE_VALUE
from .scene import KEY, VALUE


@pytest.fixture(scope="session")
def clock() -> Iterator[Metronome]:
    """How late this machine is."""
    with Metronome() as metronome:
        yield metronome


@pytest.fixture
def proxy(redis_server, admin) -> Iterator[FaultyProxy]:
    """The shared server, with the keys that the commands ask for, behind a proxy."""
    admin.mset({KEY: VALUE, LARGE_KEY: LARGE_VALUE})
    with FaultyProxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of this test's own."""
    with Server() as server:
        with server.admin() as admin:
            admin.set(KEY, VALUE)
        yield server
