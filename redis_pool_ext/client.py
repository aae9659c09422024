# mypy: disable-error-code="no-untyped-call"
"""The clients: a `redis.Redis` pinned to a lease, made cheaply.

redis-py builds some thirty response callbacks and two locks for each client (47 us);
ours are built once per pool and shared, and copied on the first write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import redis
from redis.client import CaseInsensitiveDict, Monitor, Pipeline, PubSub

from .connection import GuardedConnection

if TYPE_CHECKING:
    from .lease import Lease
    from .pool import RedisPool

__all__ = ["ClientFactory", "LeasedPipeline", "LeasedRedis"]


class LeasedPipeline(Pipeline):
    """A pipeline on a lease: whatever happens, it lets go of the connection."""

    connection_pool: Lease  # type: ignore[assignment]

    def reset(self) -> None:  # type: ignore[override]  # redis-py's own: RESET is a command, too
        """Forget the queued commands and any WATCH, and let go of the connection."""
        connection = self.connection
        try:
            super().reset()
        finally:
            if connection is not None and self.connection is not None:
                # redis-py's reset() gives up when UNWATCH times out or is interrupted.
                self.connection = None
                connection.disconnect()
                self.connection_pool.release(connection)
            if isinstance(connection, GuardedConnection):
                connection.transaction_over()


class LeasedRedis(redis.Redis):
    """A `redis.Redis` whose commands all run on one leased connection.

    `release()` gives the connection back early; the next command takes one again.
    """

    connection_pool: Lease  # type: ignore[assignment]

    # `execute_command` stays redis-py's: tracing tools wrap it.
    def _execute_command(self, *args: Any, **options: Any) -> Any:
        lease = self.connection_pool
        connection = lease.get_connection()
        try:
            return connection.retry.call_with_retry(
                lambda: self._send_command_parse_response(connection, args[0], *args, **options),
                lambda _error: connection.disconnect(),
            )
        finally:
            lease.release(connection)

    def release(self) -> None:
        """Give the connection back early, say before a long wait for something else."""
        self.connection_pool.give_back()

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> LeasedPipeline:
        """Return a pipeline that runs on the leased connection."""
        return LeasedPipeline(
            self.connection_pool,  # type: ignore[arg-type]  # a pool of one
            self.response_callbacks,
            transaction,
            shard_hint,
        )

    def pubsub(self, **kwargs: Any) -> PubSub:
        """Return a PubSub on a connection of its own, which comes back with the lease."""
        return PubSub(
            _SideDoor(self.connection_pool), event_dispatcher=self._event_dispatcher, **kwargs
        )

    def monitor(self) -> Monitor:
        """Return a Monitor on a connection of its own, which comes back with the lease."""
        return Monitor(_SideDoor(self.connection_pool))

    def client(self) -> LeasedRedis:
        """Return another client on the same lease."""
        return self.connection_pool.client()

    def set_response_callback(self, command: str, callback: Callable[..., Any]) -> None:
        """Set a callback for this client alone."""
        self.response_callbacks = CaseInsensitiveDict(self.response_callbacks)
        self.response_callbacks[command] = callback


class _SideDoor:
    """The lease as a pool for what needs a connection of its own (pubsub, monitor)."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def get_connection(self, *_args: Any, **_options: Any) -> GuardedConnection:
        return self._lease.take_extra()

    def release(self, connection: Any) -> None:
        self._lease.release(connection)

    def get_encoder(self) -> Any:
        return self._lease.get_encoder()

    @property
    def connection_kwargs(self) -> dict[str, Any]:
        return self._lease.connection_kwargs


class ClientFactory:
    """Makes the clients of one pool."""

    def __init__(self, pool: RedisPool) -> None:
        # A template that redis-py itself has built: each client starts as its copy.
        self._template = vars(redis.Redis(connection_pool=pool)).copy()  # type: ignore[arg-type]
        del self._template["connection_pool"]

    def leased(self, lease: Lease) -> LeasedRedis:
        """Return a client on `lease`, in about a microsecond."""
        client = LeasedRedis.__new__(LeasedRedis)
        client.__dict__.update(self._template)
        client.connection_pool = lease
        return client
