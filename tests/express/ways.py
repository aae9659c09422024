"""The two ways of a command, told apart by the steps of redis-py's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from redis.connection import AbstractConnection
from redis.retry import Retry

from redis_pool_ext import RedisPool

# What redis-py does for each command: its own way counts one of each.
_STEPS = (
    (AbstractConnection, "send_command"),
    (AbstractConnection, "read_response"),
    (Retry, "call_with_retry"),
)
LONG_WAY = dict.fromkeys((name for _, name in _STEPS), 1)
SHORT_WAY: dict[str, int] = {}


def borrow(url: str, **kwargs: Any) -> tuple[RedisPool, redis.Redis]:
    """Return a pool and a leased client of it that has its connection."""
    pool = RedisPool.from_url(url, housekeeping_interval=None, **kwargs)
    client = pool.lease().client()
    client.ping()
    return pool, client


def overriding(name: str) -> type[redis.Connection]:
    """Return a connection class that has its own `name`, which does the same."""
    return type("Own", (redis.Connection,), {name: wrapped(getattr(redis.Connection, name))})


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


PUSH = b">2\r\n$4\r\nnews\r\n$4\r\ntext\r\n"
PUSHED = [b"news", b"text"]
