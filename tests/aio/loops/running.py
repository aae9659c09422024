"""Loops for tests, and what runs in them."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from redis_pool_ext import AsyncRedisPool, get_async_pool, get_async_redis

# As an error, this warning of uvloop's keeps it from closing, for ever. test_exit.py has it as
# one, in processes that may be killed.
UVLOOP_WARNS = pytest.mark.filterwarnings("ignore:unclosed resource:ResourceWarning")

NAME = "loops"  # as which the server knows the connections
PATIENCE = 20

Run = Callable[[Coroutine[Any, Any, Any]], Any]
MakeLoop = Callable[[], asyncio.AbstractEventLoop]


def new_uvloop() -> asyncio.AbstractEventLoop:
    return pytest.importorskip("uvloop").new_event_loop()


def run_in_runner(make_loop: MakeLoop, work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(work)


def run_in_uvloop(work: Coroutine[Any, Any, Any]) -> Any:
    if sys.version_info >= (3, 12):
        return pytest.importorskip("uvloop").run(work)
    return run_in_runner(new_uvloop, work)


def find_leased() -> Callable[[], Any]:
    client = get_async_pool().lease().client()
    return lambda: client


FINDS = {"leased": find_leased, "borrowed": lambda: get_async_redis}


async def hit() -> int:
    return await get_async_redis().incr("hits")


async def use_both(pool: AsyncRedisPool) -> None:
    """Use two connections of a pool, and leave them idle."""
    async with pool.lease() as one, pool.lease() as other:
        await one.ping()
        await other.ping()
    assert pool.stats().idle == 2


async def with_found_pool(use: Callable[[AsyncRedisPool], Coroutine[Any, Any, None]]) -> None:
    await use(get_async_pool())


class Looping:
    """A loop that runs in another thread."""

    def __init__(self, make_loop: MakeLoop = asyncio.new_event_loop) -> None:
        self.loop = make_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        assert self.loop.is_closed()


async def hit_again(number: int) -> int:
    """Return how many connections the loop's pool has made; it was used before."""
    assert await hit() == number + 1
    return get_async_pool().stats().created


async def unhit() -> None:
    await get_async_redis().decr("hits")
