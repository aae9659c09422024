"""One pool for each config and event loop, found for the loop that is running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import redis.asyncio

from ..config import PoolConfig
from ..errors import LeaseError
from ..forks import ProcessLock, in_child
from ..pooling.base import PoolBase
from ..process import as_it_is_made, config_for, on_configure
from ..scope import current_scope
from .pool import AsyncRedisPool

__all__ = [
    "async_client_of",
    "async_pool_for",
    "async_pools",
    "close_async_pools",
    "get_async_pool",
    "get_async_redis",
    "put_aside",
]

# Protects `_pools`: loops run in several threads.
_lock = ProcessLock()
_pools: dict[asyncio.AbstractEventLoop, dict[PoolConfig, AsyncRedisPool]] = {}


class LoopPool(AsyncRedisPool):
    """A pool that was found for a loop, and leads to its like in another one."""

    config: PoolConfig

    def for_running_loop(self) -> AsyncRedisPool:
        """Return the pool of the same config in the loop that is running."""
        return async_pool_for(self.config)

    def follows(self, before: PoolBase) -> bool:
        """Tell whether `before` is the pool of the same config, in a loop that is closed."""
        return (
            isinstance(before, LoopPool)
            and before.config == self.config
            and (before._loop is None or before._loop.is_closed())
        )

    def _leave_loop(self) -> None:
        """Forget a loop that ends; whoever comes next has a loop, and a pool, of their own."""
        loop = self._loop
        super()._leave_loop()
        if loop is not None:
            with _lock.mine():
                of_loop = _pools.get(loop, {})
                if of_loop.get(self.config) is self:
                    del of_loop[self.config]
                if not of_loop:
                    _pools.pop(loop, None)


def get_async_pool(alias: str = "default") -> AsyncRedisPool:
    """Return the running event loop's pool for `alias`, the same one in all its tasks.

    Settings are looked up as `get_pool` does. Raises `ConfigError` for an alias that is
    nowhere configured, `LeaseError` outside of a coroutine.
    """
    return async_pool_for(config_for(alias))


def get_async_redis(alias: str = "default") -> redis.asyncio.Redis:
    """Return the client to use right here, in a coroutine: `get_redis` for asyncio.

    Inside a request or `lease_scope()` it is the leased client (one connection for all
    tasks of the scope, held to its end), outside one that borrows a connection per command.
    """
    return async_client_of(get_async_pool(alias))


def async_client_of(pool: AsyncRedisPool) -> redis.asyncio.Redis:
    """Return the client of `pool` to use right here, as `get_async_redis` does."""
    scope = current_scope()
    return pool.client if scope is None else scope.client(pool)


def async_pool_for(config: PoolConfig) -> AsyncRedisPool:
    """Return the one pool of the running loop with these settings."""
    loop = _running_loop(config.alias)
    pool = _pools.get(loop, {}).get(config)
    if pool is not None and not pool.is_closed:
        return pool
    with _lock.mine():
        _drop_closed_loops()
        pool = _pools.get(loop, {}).get(config)
        if pool is None or pool.is_closed:
            pool = LoopPool.from_config(as_it_is_made(config))
            pool.config = config
            pool._enter()
            _pools.setdefault(loop, {})[config] = pool
    return pool


def async_pools() -> list[AsyncRedisPool]:
    """Return the pools of all loops that were made so far."""
    return [pool for of_loop in list(_pools.values()) for pool in list(of_loop.values())]


async def close_async_pools() -> None:
    """Close the running loop's pools; the next `get_async_pool` makes a new one."""
    loop = asyncio.get_running_loop()
    with _lock.mine():
        closing = list(_pools.pop(loop, {}).values())
    for pool in closing:
        await pool.close()


def _running_loop(alias: str) -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise LeaseError(
            "no event loop is running here: request.aredis, get_async_redis() and get_async_pool() "
            "belong into coroutines; elsewhere use request.redis, get_redis() and get_pool()",
            alias=alias,
        ) from None


def _drop_closed_loops() -> None:
    """Close the sockets that loops have left which ended without a farewell."""
    for loop in [loop for loop in _pools if loop.is_closed()]:
        for pool in list(_pools.get(loop, {}).values()):
            pool._leave_loop()
        _pools.pop(loop, None)


def put_aside() -> Callable[[], None]:
    """Do what `process.put_aside` does, with the pools of all loops; `process` has the stand-in."""
    global _pools
    with _lock.mine():
        before, _pools = _pools, {}

    def put_back() -> None:
        global _pools  # noqa: PLW0603  one process, one set of them
        closing = async_pools()
        with _lock.mine():
            _pools = before
        for pool in closing:
            _close_at_home(pool)

    return put_back


@on_configure
def _close_those_of(gone: set[PoolConfig]) -> None:
    """Close the pools of settings that are gone, each in its own loop."""
    for pool in async_pools():
        if gone.intersection([getattr(pool, "config", None)]):
            _close_at_home(pool)


def _close_at_home(pool: AsyncRedisPool) -> None:
    pool._at_home(partial(pool._begin_generation, "pool_closed", close=True))


@in_child
def _forget() -> None:
    _pools.clear()  # the parent's loops
