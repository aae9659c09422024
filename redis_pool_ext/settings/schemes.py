"""Which scheme of a URL means which connection class: the one place that knows."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import redis
from redis.connection import SSLConnection, UnixDomainSocketConnection

from ..connecting.sentinel import SentinelConnection, SentinelSSLConnection

__all__ = ["class_for"]


_CLASSES: dict[str, type[Any]] = {
    "redis": redis.Connection,
    "rediss": SSLConnection,
    "unix": UnixDomainSocketConnection,
    "redis+sentinel": SentinelConnection,
    "rediss+sentinel": SentinelSSLConnection,
    # To each of its nodes.
    "redis+cluster": redis.Connection,
    "rediss+cluster": SSLConnection,
}


def class_for(scheme: str) -> type[Any]:
    """Return the connection class; raises `ValueError` for one that cannot be had here."""
    return _fake() if scheme == "fakeredis" else _CLASSES[scheme]


def _fake() -> type[Any]:
    if find_spec("fakeredis") is None:
        raise ValueError("fakeredis:// needs fakeredis: pip install 'redis-pool-ext[fakeredis]'")
    from fakeredis import FakeRedisConnection  # optional: only for this scheme

    return FakeRedisConnection
