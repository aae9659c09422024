"""Pools for tests of tasks, and what is asked of them."""

from __future__ import annotations

from typing import Any

from redis_pool_ext import AsyncRedisPool

from ..support.pools import connections
from .stub import StubAsyncConnection

__all__ = ["assert_whole", "connections", "leave_idle", "pool_of", "stub_pool", "unkept_pool"]


def pool_of(url: str, **settings: Any) -> AsyncRedisPool:
    """Return a pool of two on a real server, with patience enough for a dial on a busy machine."""
    return AsyncRedisPool.from_url(url, **{"max_connections": 2, "timeout": 1, **settings})


def stub_pool(max_connections: int = 2, timeout: float = 5.0, **kwargs: Any) -> AsyncRedisPool:
    """Return a pool whose connections have no socket."""
    return AsyncRedisPool(StubAsyncConnection, max_connections, timeout, **kwargs)


def unkept_pool(max_connections: int = 4, timeout: float = 20.0, **kwargs: Any) -> AsyncRedisPool:
    """Return a pool without a housekeeper: these tests do the rounds themselves."""
    return stub_pool(max_connections, timeout, housekeeping_interval=None, **kwargs)


async def leave_idle(pool: AsyncRedisPool, count: int) -> list[Any]:
    """Return `count` connections that are idle, the first one for longest."""
    taken = [await pool.get_connection() for _ in range(count)]
    for connection in taken:
        await pool.release(connection)
    return taken


async def assert_whole(pool: AsyncRedisPool) -> None:
    """Check that nothing is out, and that every connection is to be had."""
    stats = pool.stats()
    assert (stats.in_use, stats.connecting, stats.waiting) == (0, 0, 0)
    await leave_idle(pool, pool.max_connections)
