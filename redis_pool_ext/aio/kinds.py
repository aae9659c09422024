"""From a `REDIS_POOLS` entry to what connects on an event loop.

Settings name redis-py's connections for threads; each has a counterpart for asyncio, with
nearly the same arguments.
"""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.connection import SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from ..config import ConfigError, PoolConfig, Problem
from ..connecting.sentinel import SentinelConnection, SentinelSSLConnection
from ..settings.rules import arguments_of
from .sentinel import AsyncSentinelConnection, AsyncSentinelSSLConnection

__all__ = ["arguments_for_asyncio", "class_for_threads"]

_COUNTERPARTS: dict[type[Any], type[Any]] = {
    redis.Connection: redis.asyncio.Connection,
    SSLConnection: redis.asyncio.SSLConnection,
    UnixDomainSocketConnection: redis.asyncio.UnixDomainSocketConnection,
    SentinelConnection: AsyncSentinelConnection,
    SentinelSSLConnection: AsyncSentinelSSLConnection,
}


def arguments_for_asyncio(config: PoolConfig) -> dict[str, Any]:
    """Return the arguments of `AsyncRedisPool` for an entry of `REDIS_POOLS`.

    Raises `ConfigError` for an argument that only redis-py's connections for threads take.
    """
    arguments = config.pool_arguments()
    arguments["connection_class"] = _counterpart(config)
    taken = arguments_of(arguments["connection_class"])
    if taken is not None:
        problems = [_not_for_asyncio(config, name) for name in config.options if name not in taken]
        if problems:
            raise ConfigError(problems)
    if isinstance(arguments.get("retry"), Retry):
        arguments["retry"] = _for_asyncio(arguments["retry"])
    return arguments


def _counterpart(config: PoolConfig) -> type[Any]:
    found = _COUNTERPARTS.get(config.connection_class)
    return _fake() if found is None else found


def class_for_threads(connection_class: type[Any]) -> type[Any]:
    """Return what connects a thread as `connection_class` does a task; others as they are."""
    back = {for_tasks: for_threads for for_threads, for_tasks in _COUNTERPARTS.items()}
    return back.get(connection_class, connection_class)


def _fake() -> type[Any]:
    from fakeredis import FakeAsyncRedisConnection  # optional: only for fakeredis://

    return FakeAsyncRedisConnection


def _not_for_asyncio(config: PoolConfig, name: str) -> Problem:
    path = f"REDIS_POOLS[{config.alias!r}]['OPTIONS'][{name!r}]"
    message = "is not an argument of redis-py's connection for asyncio"
    return Problem("E001", path, message, "give coroutines a pool of their own, without it")


def _for_asyncio(retry: Any) -> AsyncRetry:
    """Return the same policy for coroutines: redis-py has a class for each."""
    if isinstance(retry, AsyncRetry):
        return retry
    return AsyncRetry(retry._backoff, retry._retries, retry._supported_errors)
