"""Pools for tests of tasks, on a real server."""

from __future__ import annotations

from typing import Any

import redis

from redis_pool_ext import AsyncRedisPool


def pool_of(url: str, **settings: Any) -> AsyncRedisPool:
    """Return a pool of two, with patience enough for a dial on a busy machine."""
    return AsyncRedisPool.from_url(url, **{"max_connections": 2, "timeout": 1, **settings})


def connections(admin: redis.Redis) -> int:
    """Count the connections on the server, `admin`'s own left out."""
    return len(admin.client_list()) - 1
