# mypy: disable-error-code="no-untyped-call"
"""The clients of tasks: a `redis.asyncio.Redis` pinned to a lease, made cheaply."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import redis.asyncio
from redis.asyncio.client import Monitor, Pipeline, PubSub

from ..errors import RedisPoolError
from ..leasing.leased import NOT_FOR_CALLBACKS, Leased, OneTransaction, SideDoor
from ..leasing.locks import with_class
from ..wire.express import MISSED
from ..wire.packing import pack_ordinary
from .connection import GuardedAsyncConnection
from .locks import Lock
from .watched import is_watched

if TYPE_CHECKING:
    from .lease import AsyncLease

__all__ = ["LeasedAsyncPipeline", "LeasedAsyncRedis"]


class LeasedAsyncPipeline(OneTransaction, Pipeline):  # type: ignore[misc]  # redis-py's own bases differ
    """A pipeline on a lease: whatever happens, it lets go of the connection.

    Its lease has one connection, so there is room for one transaction at a time: while a
    pipeline watches keys, another one cannot WATCH or EXEC (it would end that WATCH
    unseen) and raises `LeaseError`.
    """

    connection: Any
    command_stack: Any
    scripts: set[Any]
    connection_pool: AsyncLease  # type: ignore[assignment]

    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command at once, as between WATCH and MULTI."""
        self._note_watch(args)
        return await super().immediate_execute_command(*args, **options)

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Execute the queued commands."""
        if self.command_stack and (self.is_transaction or self.explicit_transaction):
            self._require_no_other_transaction()
        self._look_before_exec(self.connection)
        return await super().execute(raise_on_error)

    async def _disconnect_raise_on_watching(
        self, conn: Any, error: Exception, *args: Any, **kwargs: Any
    ) -> None:
        """Raise a WatchError only where nothing has run, as that asks for another attempt.

        redis-py raises it also when the reply to EXEC was lost, and its `transaction()`
        then does once more what has been done.
        """
        if self.explicit_transaction and conn.reply_lost:
            conn.cut()
            raise error
        await super()._disconnect_raise_on_watching(conn, error, *args, **kwargs)

    async def reset(self) -> None:  # type: ignore[override]  # redis-py's own: RESET is a command
        """Forget the queued commands and any WATCH, and let go of the connection."""
        connection: Any = self.connection
        self._forget_watch(connection)
        try:
            if connection is not None and not self.watching:
                self.command_stack = []  # redis-py would let go in a task of its own
                self.scripts = set()
                self.explicit_transaction = False
                self._let_go()
            await super().reset()
        finally:
            if connection is not None and self.connection is not None:
                # redis-py's reset() gives up when UNWATCH times out or is interrupted.
                connection.cut()
                self._let_go()

    def _let_go(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            self.connection_pool.put_back(connection)

    def __del__(self, *_args: Any) -> None:
        # Not reset(): that would talk to the server from wherever garbage is collected.
        # A WATCH that was left is on the connection's record, and ends with it.
        # And in the loop: somebody may sleep there who waits for the turn.
        with suppress(Exception):
            if self.connection is not None:
                self.connection_pool.pool._at_home(self._let_go)


class LeasedAsyncRedis(Leased, redis.asyncio.Redis):  # type: ignore[misc]  # as above
    """A `redis.asyncio.Redis` whose commands all run on one leased connection.

    `await release()` gives the connection back early; the next command takes one again.
    """

    connection_pool: AsyncLease  # type: ignore[assignment]

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command and return its reply."""
        packed = pack_ordinary(args)
        if (
            packed is None
            or not NOT_FOR_CALLBACKS.isdisjoint(options)
            or is_watched()
            or "parse_response" in self.__dict__
        ):
            return await super().execute_command(*args, **options)
        lease = self.connection_pool
        if not lease.held:
            await lease.take()
        try:
            response = await lease.exchange(args[0], packed)
            if response is not MISSED:
                # Straight from the dict: the name is in upper case already.
                callback = dict.get(self.response_callbacks, args[0])
                if callback is None:
                    return response
                options.pop("keys", None)
                response = callback(response, **options)
                return await response if hasattr(response, "__await__") else response
        except Exception as error:  # it counts as the first attempt
            return await super().execute_command(*args, **{**options, "_met": [error]})
        return await super().execute_command(*args, **options)

    async def _send_command_parse_response(
        self, conn: Any, command_name: Any, *args: Any, _met: Any = None, **options: Any
    ) -> Any:
        """Do one attempt; the first one may have been made already, and `_met` an error."""
        if _met:
            raise _met.pop()
        return await super()._send_command_parse_response(conn, command_name, *args, **options)

    async def _close_connection(self, conn: Any, *args: Any, **kwargs: Any) -> None:
        """Close a connection between two attempts, if there is to be another one."""
        error = sys.exception()
        if isinstance(error, RedisPoolError):
            raise error  # a lost state or a closed circuit is no better a second time
        await super()._close_connection(conn, *args, **kwargs)

    async def release(self) -> None:
        """Give the connection back early, say before a long wait for something else."""
        await self.connection_pool.give_back()

    def pipeline(
        self, transaction: bool = True, shard_hint: str | None = None
    ) -> LeasedAsyncPipeline:
        """Return a pipeline that runs on the leased connection."""
        return LeasedAsyncPipeline(
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
        dispatcher = getattr(self, "_event_dispatcher", None)
        side_door: Any = _SideDoor(self.connection_pool)
        return PubSub(side_door, event_dispatcher=dispatcher, **kwargs)

    def monitor(self) -> Monitor:
        """Return a Monitor on a connection of its own, which comes back with the lease."""
        return Monitor(_SideDoor(self.connection_pool))  # type: ignore[arg-type]

    def client(self) -> LeasedAsyncRedis:
        """Return another client on the same lease."""
        return self.connection_pool.client()

    def __del__(self, *_args: Any) -> None:
        # redis-py's would complain of a client that was not closed; ours has nothing of its own.
        pass


class _SideDoor(SideDoor):
    async def get_connection(self, *_args: Any, **_options: Any) -> GuardedAsyncConnection:
        connection: GuardedAsyncConnection = await self._lease.take_extra()
        return connection

    async def release(self, connection: Any) -> None:
        self._lease.put_back(connection)
