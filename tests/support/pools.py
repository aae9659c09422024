"""Pools for tests, and what is asked of them."""

from __future__ import annotations

import time
from typing import Any

import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.pooling.base import PoolBase

from .stub import StubConnection


def stub_pool(max_connections: int = 2, timeout: float = 5.0, **kwargs: Any) -> RedisPool:
    """Return a pool whose connections have no socket."""
    return RedisPool(StubConnection, max_connections, timeout, **kwargs)


def unkept_pool(max_connections: int = 4, timeout: float = 20.0, **kwargs: Any) -> RedisPool:
    """Return a pool without a housekeeper: these tests do the rounds themselves."""
    return stub_pool(max_connections, timeout, housekeeping_interval=None, **kwargs)


def tell_of_overload(pool: PoolBase, room: int) -> None:
    """Have a pool with "codel" count as overloaded, with room for so many to wait, for long."""
    codel = pool._ledger.codel
    assert codel is not None
    codel._began, codel.room, codel.is_overloaded = time.monotonic(), room, True


def leave_idle(pool: RedisPool, count: int) -> list[Any]:
    """Return `count` connections that are idle, the first one for longest."""
    taken = [pool.get_connection() for _ in range(count)]
    for connection in taken:
        pool.release(connection)
    return taken


def assert_whole(pool: RedisPool) -> None:
    """Check that nothing is out, and that every connection is to be had."""
    stats = pool.stats()
    assert (stats.in_use, stats.connecting, stats.waiting) == (0, 0, 0)
    leave_idle(pool, pool.max_connections)


def connections(admin: redis.Redis) -> int:
    """Count the connections that came after `admin`'s own: an earlier test's are not ours."""
    mine = admin.client_id()
    return sum(int(each["id"]) > mine for each in admin.client_list())
