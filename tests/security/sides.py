"""The same question, asked by a thread and by a task."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
import redis

from redis_pool_ext import AsyncRedisPool, PoolStats, RedisPool


class Told(NamedTuple):
    """How a command ended that was refused, and what its pool looked like then."""

    error: Any
    stats: PoolStats


class Threads:
    """A pool for threads, which is there for one question."""

    name = "threads"

    @staticmethod
    def ask(url: str, *command: Any, **settings: Any) -> Any:
        """Return the reply to a command on a new pool."""
        with RedisPool.from_url(url, **settings) as pool:
            return pool.client.execute_command(*command)

    @staticmethod
    def refused(url: str, times: int = 1, kind: Any = redis.RedisError, **settings: Any) -> Told:
        """Ask in vain, so many times; return what was told last."""
        with RedisPool.from_url(url, **settings) as pool:
            for _ in range(times):
                with pytest.raises(kind) as caught:
                    pool.client.get("k")
            return Told(caught.value, pool.stats())


class Tasks:
    """A pool for tasks, likewise, in a loop of its own."""

    name = "tasks"

    @staticmethod
    def ask(url: str, *command: Any, **settings: Any) -> Any:
        """Return the reply to a command on a new pool."""

        async def asking() -> Any:
            async with AsyncRedisPool.from_url(url, **settings) as pool:
                return await pool.client.execute_command(*command)

        return asyncio.run(asking())

    @staticmethod
    def refused(url: str, times: int = 1, kind: Any = redis.RedisError, **settings: Any) -> Told:
        """Ask in vain, so many times; return what was told last."""

        async def asking() -> Told:
            async with AsyncRedisPool.from_url(url, **settings) as pool:
                for _ in range(times):
                    with pytest.raises(kind) as caught:
                        await pool.client.get("k")
                return Told(caught.value, pool.stats())

        return asyncio.run(asking())


Side = type[Threads] | type[Tasks]
SIDES: list[Side] = [Threads, Tasks]
