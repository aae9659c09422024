"""Loops of both makes, and a pool for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import redis

from redis_pool_ext import AsyncRedisPool, configure

from ...support.threads import wait_until
from .running import NAME, PATIENCE, Looping, MakeLoop, Run, new_uvloop, run_in_uvloop

RUNS = {
    "asyncio.run": asyncio.run,
    "uvloop": run_in_uvloop,
}


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine in a new loop, and ends that as it should be."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return RUNS[request.param]


@pytest.fixture(params=[asyncio.new_event_loop, new_uvloop], ids=["asyncio", "uvloop"])
def make_loop(request: pytest.FixtureRequest) -> MakeLoop:
    if request.param is new_uvloop:
        pytest.importorskip("uvloop")
    return request.param


@pytest.fixture
def settings(url: str) -> dict[str, Any]:
    options = {"client_name": NAME}
    return {"URL": url, "MAX_CONNECTIONS": 2, "TIMEOUT": PATIENCE, "OPTIONS": options}


@pytest.fixture
def configured(settings: dict[str, Any]) -> dict[str, Any]:
    configure({"default": settings})
    return settings


@pytest.fixture
def pool(url: str) -> AsyncRedisPool:
    """A pool that its user made, as at the top of a module."""
    return AsyncRedisPool.from_url(url, max_connections=2, timeout=PATIENCE, client_name=NAME)


@pytest.fixture
def connected(admin: redis.Redis) -> Callable[[], set[str]]:
    """The ids of the pools' connections, as the server sees them."""
    return lambda: {one["id"] for one in admin.client_list() if one["name"] == NAME}


@pytest.fixture
def nothing_left(connected: Callable[[], set[str]]) -> Callable[[], None]:
    """Waits until the server has seen all sockets close: it may look a moment later."""
    return lambda: wait_until(lambda: not connected())


@pytest.fixture
def another(make_loop: MakeLoop) -> Iterator[Looping]:
    with closing(Looping(make_loop)) as looping:
        yield looping
