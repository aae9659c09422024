"""The quiet half of redis-py's pool interface: how a pool's connections are made.

redis-py touches these on whatever it is given as `connection_pool`; the pool has them,
and the lease (a pool of one) passes them on.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import redis.connection
from redis._parsers import Encoder
from redis.connection import AbstractConnection

_new_himport_registry: Callable[[], Any] | None
try:
    from redis.himport import HImportRegistry as _new_himport_registry
except ImportError:  # redis-py before 8.1
    _new_himport_registry = None

if TYPE_CHECKING:
    from redis.connection import ConnectionPoolInterface
else:  # redis-py before 8 has no such class, and asks for none
    ConnectionPoolInterface = getattr(redis.connection, "ConnectionPoolInterface", object)

__all__ = ["ConnectionPoolInterface", "PoolInterface"]


class PoolInterface:
    """Class and arguments of the connections, under the names that redis-py uses."""

    cache = None  # client-side caching shares replies between users: not with leases

    def __init__(self, connection_class: type[Any], connection_kwargs: dict[str, Any]) -> None:
        self.connection_class = connection_class
        self.connection_kwargs = connection_kwargs
        self.himport_registry = connection_kwargs.get("himport_registry")
        if self.himport_registry is None and _new_himport_registry is not None:
            self.himport_registry = _new_himport_registry()
            if issubclass(connection_class, AbstractConnection):
                connection_kwargs["himport_registry"] = self.himport_registry
        # redis-py's telemetry tells pools to the same server apart by this.
        self._pool_id = secrets.token_hex(4)

    def __bool__(self) -> bool:
        # redis-py replaces a falsy pool by one to localhost.
        return True

    def get_encoder(self) -> Encoder:
        """Return the encoder that the connections' settings ask for."""
        kwargs = self.connection_kwargs
        return Encoder(
            encoding=kwargs.get("encoding", "utf-8"),
            encoding_errors=kwargs.get("encoding_errors", "strict"),
            decode_responses=kwargs.get("decode_responses", False),
        )

    def get_protocol(self) -> int | None:
        """Return the RESP version that was set; None leaves it to redis-py."""
        protocol: int | None = self.connection_kwargs.get("protocol")
        return protocol
