# mypy: disable-error-code="no-untyped-call"
"""The clients: a `redis.Redis` pinned to a lease, made cheaply."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import redis
from redis.client import Monitor, Pipeline, PubSub

from .connection import GuardedConnection
from .errors import RedisPoolError
from .leasing.leased import NOT_FOR_CALLBACKS, Leased, OneTransaction, SideDoor
from .leasing.locks import Lock, with_class
from .wire.express import MISSED, is_watched
from .wire.packing import pack_ordinary

if TYPE_CHECKING:
    from .lease import Lease

__all__ = ["LeaseSideDoor", "LeasedPipeline", "LeasedRedis"]


class _Talking:
    """What clients and their pipelines have in common: the lease knows when they talk."""

    connection_pool: Any

    def _talk(self, exchange: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Do `exchange`, and let the lease know meanwhile."""
        lease = self.connection_pool
        was_talking = lease.is_talking
        try:
            lease.is_talking = True
            return exchange(*args, **options)
        finally:
            lease.is_talking = was_talking


class LeasedPipeline(_Talking, OneTransaction, Pipeline):
    """A pipeline on a lease: whatever happens, it lets go of the connection.

    Its lease has one connection, so there is room for one transaction at a time: while a
    pipeline watches keys, another one cannot WATCH or EXEC (it would end that WATCH
    unseen) and raises `LeaseError`.
    """

    connection: Any
    connection_pool: Lease  # type: ignore[assignment]

    def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command at once, as between WATCH and MULTI."""
        self._note_watch(args)
        return super().immediate_execute_command(*args, **options)

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Execute the queued commands."""
        # In redis-py a pipeline's `transaction` is a bool, over the client's method.
        is_transaction = bool(vars(self)["transaction"]) or self.explicit_transaction
        if self.command_stack and is_transaction:
            self._require_no_other_transaction()
        self._look_before_exec(self.connection)
        return super().execute(raise_on_error)

    # redis-py's three ways to talk to the server, each called with the connection taken.

    def _send_command_parse_response(self, *args: Any, **options: Any) -> Any:
        return self._talk(super()._send_command_parse_response, *args, **options)

    def _execute_transaction(self, *args: Any) -> list[Any]:
        return self._talk(super()._execute_transaction, *args)  # type: ignore[no-any-return]

    def _execute_pipeline(self, *args: Any) -> list[Any]:
        return self._talk(super()._execute_pipeline, *args)  # type: ignore[no-any-return]

    def _disconnect_raise_on_watching(
        self, conn: Any, error: Exception, *args: Any, **kwargs: Any
    ) -> None:
        """Raise a WatchError only where nothing has run, as that asks for another attempt.

        redis-py raises it also when the reply to EXEC was lost, and its `transaction()`
        then does once more what has been done.
        """
        if self.explicit_transaction and conn.reply_lost:
            conn.disconnect()
            raise error
        super()._disconnect_raise_on_watching(conn, error, *args, **kwargs)

    def reset(self) -> None:  # type: ignore[override]  # redis-py's own: RESET is a command, too
        """Forget the queued commands and any WATCH, and let go of the connection."""
        connection = self.connection
        self._forget_watch(connection)
        try:
            super().reset()
        finally:
            if connection is not None and self.connection is not None:
                # redis-py's reset() gives up when UNWATCH times out or is interrupted.
                connection.disconnect()
                self._let_go()

    def _let_go(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            self.connection_pool.release(connection)

    def __del__(self) -> None:
        # Not reset(): that would talk to the server from wherever garbage is collected.
        # A WATCH that was left is on the connection's record, and ends with it.
        with suppress(Exception):
            self._let_go()


class LeasedRedis(_Talking, Leased, redis.Redis):
    """A `redis.Redis` whose commands all run on one leased connection.

    `release()` gives the connection back early; the next command takes one again.
    """

    connection_pool: Lease  # type: ignore[assignment]

    # `execute_command` stays redis-py's: tracing tools wrap it.
    def _execute_command(self, *args: Any, **options: Any) -> Any:
        packed = pack_ordinary(args)
        if (
            packed is None
            or not NOT_FOR_CALLBACKS.isdisjoint(options)
            or is_watched()
            or "parse_response" in self.__dict__
        ):
            return self._go_the_long_way(args, options)
        lease = self.connection_pool
        if not lease.held:
            lease.take()
        try:
            response = lease.exchange(args[0], packed)
            if response is not MISSED:
                # Straight from the dict: the name is in upper case already.
                callback = dict.get(self.response_callbacks, args[0])
                if callback is None:
                    return response
                options.pop("keys", None)
                return callback(response, **options)
        except Exception as error:  # it counts as the first attempt
            return self._go_the_long_way(args, {**options, "_met": [error]})
        return self._go_the_long_way(args, options)

    def _go_the_long_way(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Execute a command as redis-py does: with retries, telemetry, all options."""
        lease = self.connection_pool
        lease.get_connection()
        depth = lease.depth
        try:
            return super()._execute_command(*args, **options)
        finally:  # also of what redis-py took, and was interrupted before it said so
            lease.put_back_to(depth - 1)

    def _send_command_parse_response(
        self, conn: Any, command_name: Any, *args: Any, _met: Any = None, **options: Any
    ) -> Any:
        """Do one attempt; the first one may have been made already, and `_met` an error."""
        if _met:
            raise _met.pop()
        exchange = super()._send_command_parse_response
        return self._talk(exchange, conn, command_name, *args, **options)

    def _close_connection(self, conn: Any, *args: Any, **kwargs: Any) -> None:
        """Close a connection between two attempts, if there is to be another one."""
        error = sys.exception()
        if isinstance(error, RedisPoolError):
            raise error  # a lost state or a closed circuit is no better a second time
        super()._close_connection(conn, *args, **kwargs)

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

    def lock(self, *args: Any, **options: Any) -> Any:
        """Return redis-py's lock; what is waited for it is spent on Redis."""
        return super().lock(*args, **with_class(Lock, args, options))

    def pubsub(self, **kwargs: Any) -> PubSub:
        """Return a PubSub on a connection of its own, which comes back with the lease."""
        dispatcher: Any = self._event_dispatcher
        return PubSub(LeaseSideDoor(self.connection_pool), event_dispatcher=dispatcher, **kwargs)

    def monitor(self) -> Monitor:
        """Return a Monitor on a connection of its own, which comes back with the lease."""
        return Monitor(LeaseSideDoor(self.connection_pool))

    def client(self) -> LeasedRedis:
        """Return another client on the same lease."""
        return self.connection_pool.client()

    def __del__(self) -> None:
        # redis-py's would close the client, which has nothing of its own.
        pass


class LeaseSideDoor(SideDoor):
    """The lease as a pool for what needs a connection of its own."""

    def get_connection(self, *_args: Any, **_options: Any) -> GuardedConnection:
        """Take one more connection of the lease's pool."""
        connection: GuardedConnection = self._lease.take_extra()
        return connection

    def release(self, connection: Any) -> None:
        """Give it back, before the lease does."""
        self._lease.release(connection)
