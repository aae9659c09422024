"""What `command` and `tasks` have in common: the server with the key, and why a peer is faster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from redis_pool_ext.embedded import EmbeddedRedis

__all__ = ["KEPT_FOR_NONE", "NO_ACCOUNT", "serving_key"]

# Seconds; what redis-py 8 has where nothing is said, written down for all alike.
SOCKET_TIMEOUT = 5.0

# Of a pinned client, and of one client for all requests.
NO_ACCOUNT = (
    "it holds one connection for good, and keeps no account of what is owed on it, or of what a "
    "command leaves behind"
)
KEPT_FOR_NONE = (
    "nothing is made per request, and nothing is kept for one: each command may have another "
    "connection, and whatever was left on it"
)


@contextmanager
def serving_key() -> Iterator[dict[str, Any]]:
    """Give the arguments of a client, under redis-py's names, of a server that has the key."""
    with EmbeddedRedis() as server:
        options: dict[str, Any] = {
            "host": server.host,
            "port": server.port,
            "socket_timeout": SOCKET_TIMEOUT,
        }
        with redis.Redis(**options) as admin:
            admin.set("key", "hello")
        yield options
