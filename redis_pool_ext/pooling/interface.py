"""The quiet half of redis-py's pool interface: how a pool's connections are made.

redis-py touches these on whatever it is given as `connection_pool`; the pool has them,
and the lease (a pool of one) passes them on.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import redis.connection
from redis._parsers import Encoder
from redis.connection import AbstractConnection

from ..settings.rules import arguments_of

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
        _keep_alive(connection_class, connection_kwargs)
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


# What redis-py 8 does by itself, for older ones as well: a peer that is gone without a
# word (a machine that lost its power) is noticed after 30 + 3 * 5 seconds.
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


def _keep_alive(connection_class: Any, connection_kwargs: dict[str, Any]) -> None:
    """Let the operating system ask after idle connections, unless it is set otherwise."""
    taken = arguments_of(connection_class)
    if taken is not None and "socket_keepalive" not in taken:
        return
    if connection_kwargs.setdefault("socket_keepalive", True):
        known = {name: getattr(socket, name, None) for name in _KEEPALIVE}
        options = {known[name]: value for name, value in _KEEPALIVE.items() if known[name]}
        connection_kwargs.setdefault("socket_keepalive_options", options)
