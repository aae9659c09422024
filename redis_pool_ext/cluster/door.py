"""A node's pool as redis-py's map of the cluster sees it."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from ..pooling.interface import ConnectionPoolInterface
from .nodes import NodeLease, NodePool, Nodes
from .operation import current

__all__ = ["Door"]


class Door(ConnectionPoolInterface):
    """A node's pool as redis-py's map of the cluster sees it.

    Within a lease that has a connection to the node, that one is used: the map of the cluster
    is asked for by commands, and shall not need a connection beside theirs.
    """

    cache = None

    def __init__(self, nodes: Nodes, host: str, port: int) -> None:
        self._nodes = nodes
        self._address = host, port
        # What was taken from the pool, not from a lease: that gives back its own.
        self._taken: weakref.WeakSet[Any] = weakref.WeakSet()
        # redis-py holds it while it closes connections, which it does not do here.
        self._lock = threading.RLock()

    @property
    def _pool(self) -> NodePool:
        return self._nodes.of(*self._address)

    def __bool__(self) -> bool:
        return True

    def _held(self) -> NodeLease | None:
        """Return the lease's hold on a connection to the node, if there is such a one."""
        operation = current()
        lease = operation.lease if operation is not None else None
        return lease.holding(self._pool) if lease is not None else None

    def get_connection(self, *_args: Any, **_options: Any) -> Any:
        """Take the lease's connection, or one of the pool."""
        held = self._held()
        if held is not None:
            return held.get_connection()
        connection, operation = self._pool.get_connection(), current()
        self._taken.add(connection)
        if operation is not None and operation.spending is not None:
            connection.lend(operation.spending.budget)
        return connection

    def release(self, connection: Any) -> None:
        """Put it back to where it was taken from."""
        held = self._held()
        if held is not None and held.owns_connection(connection):
            held.release(connection)
        elif connection in self._taken:
            self._taken.discard(connection)
            connection.lend(None)
            self._pool.release(connection)

    @property
    def connection_kwargs(self) -> dict[str, Any]:
        """The arguments of the connections; redis-py asks before anybody needs a pool."""
        host, port = self._address
        return {**self._nodes.settings, "host": host, "port": port}

    @property
    def himport_registry(self) -> Any:
        """The registry of redis-py 8.1, which is one for the cluster."""
        return self._nodes.settings.get("himport_registry")

    @himport_registry.setter
    def himport_registry(self, registry: Any) -> None:
        self._nodes.share_registry(registry)

    def get_encoder(self) -> Any:
        """Return the pool's encoder."""
        return self._pool.get_encoder()

    def get_protocol(self) -> int | None:
        """Return the RESP version that was set; None leaves it to redis-py."""
        protocol: int | None = self._nodes.settings.get("protocol")
        return protocol

    # redis-py closes a node's connections whenever it has asked there for the map, and when
    # one of them has failed. The pool knows better which of them are in doubt.

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Do nothing."""

    def update_active_connections_for_reconnect(self) -> None:
        """Do nothing."""

    def disconnect_free_connections(self) -> None:
        """Do nothing."""

    def reset(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def set_retry(self, retry: Any) -> None:
        """Do nothing: retries are the cluster client's."""

    def re_auth_callback(self, token: Any) -> None:
        """Tell the pool that credentials changed."""
        self._pool.re_auth_callback(token)

    def get_connection_count(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the pool's count."""
        return self._pool.get_connection_count()
