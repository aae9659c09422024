"""The lease of tasks: one borrower's hold on one connection, shaped as a pool of one."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..deadline import Deadline
from ..errors import LeaseError, PoolExhaustedError, PoolUnavailableError
from ..forks import getpid, here
from ..leasing.holding import LOOK_IN_LEASE_AFTER, Holding
from ..wire.express import MISSED
from .connection import GuardedAsyncConnection
from .express import exchange
from .liveness import looks_alive
from .turn import Turn

if TYPE_CHECKING:
    from .client import LeasedAsyncRedis
    from .pool import AsyncRedisPool

__all__ = ["AsyncLease"]

# Whose turn it is during an exchange on the short way: nobody's who could ask again.
_ON_THE_SHORT_WAY = object()


class AsyncLease(Holding):
    """A hold on at most one connection of `pool`, taken at the first command.

    An async context manager over its client; `end()` gives the connection back, waits for
    nothing, and after it (or in a forked child) every use raises `LeaseError`. Tasks that
    share a lease take turns, each waiting at most the pool's `timeout`.
    """

    _kind, _door = "task", "get_async_redis"
    pool: AsyncRedisPool
    held: list[GuardedAsyncConnection]
    _extra: list[GuardedAsyncConnection]
    _turn: Turn
    _ways = exchange, GuardedAsyncConnection.exchange_in_budget

    _loop: asyncio.AbstractEventLoop | None = None

    def _new_turn(self) -> Turn:
        return Turn()  # of the task that has the connection out, until it is put back

    async def __aenter__(self) -> LeasedAsyncRedis:
        return self.client()

    async def __aexit__(self, *_exc: object) -> None:
        self.end()

    def client(self) -> LeasedAsyncRedis:
        """Return a client that runs all its commands on this lease."""
        return self.pool.client_factory.leased(self)

    # -- the pool of one ---------------------------------------------------------------

    async def take(self) -> None:
        """Take the connection, if that has not happened yet; raises as `get_connection`.

        Does nothing where each command is to borrow for itself.
        """
        if self.pool.hold != "command":
            await self.get_connection()
            self._put_back()

    async def exchange(self, name: Any, packed: bytes) -> Any:
        """Send an ordinary command, and return its reply; raises what redis-py does.

        `MISSED` if something is not as usual (no connection yet, a long pause, state on it,
        another task, ...): nothing was sent, and `get_connection` knows what to do.
        """
        turn = self._turn
        if turn.depth or not here[0] or asyncio._get_running_loop() is not self._loop:
            return MISSED
        now = monotonic()
        for connection in self.held:
            lane, short_way = connection.lane, self._short_way
            if (
                lane is not None
                and short_way is not None
                and not connection.pending
                and not connection.marks
                and now - self._used_at < LOOK_IN_LEASE_AFTER
                and lane.has_room_for(packed)
            ):
                turn.take_at_once(_ON_THE_SHORT_WAY)
                try:
                    self._used_at = now
                    connection.last = name
                    connection.pending = 1
                    return await short_way(connection, lane, packed)
                finally:
                    self._put_back()
        return MISSED

    async def get_connection(
        self, command_name: str | None = None, *keys: Any, **options: Any
    ) -> GuardedAsyncConnection:
        """Take the lease's connection for one exchange; the caller owes a `release`.

        The first call takes it from the pool, and raises what `AsyncRedisPool.get_connection`
        raises. Raises `ConnectionPoolTimeoutError` when another task does not put it back
        within the pool's `timeout`, `LeaseError` after the end, in a fork's child, and in
        another event loop.
        """
        if self._ended or self._pid != getpid():
            raise self._misuse()
        self._enter()
        task = asyncio.current_task()
        deadline = None
        if not self._turn.take_at_once(task):
            deadline = Deadline(self.pool.timeout)  # one, for the turn and the pool
            if not await self._wait_for_turn(task, deadline):
                raise self._busy()
        try:
            if not self.held:
                return await self._take(deadline)
            connection = self.held[0]
            if self._turn.depth == 1:
                self._look(connection)
            return connection
        except BaseException:
            self._put_back()
            raise

    async def release(self, connection: Any) -> None:
        """Put the connection back after an exchange; the lease keeps it until its end."""
        self.put_back(connection)

    def put_back(self, connection: Any) -> None:
        """Do the same at once, as a finalizer has to."""
        if connection in self._extra:
            self._extra.remove(connection)
            self._return(connection)
        elif self._turn.depth and connection.is_of(self._loop):
            self._put_back()

    async def _take(self, deadline: Deadline | None) -> GuardedAsyncConnection:
        if self.waits_once and self._patience is not None:
            deadline = self._patience
        began = monotonic()
        try:
            connection = await self._from_pool(deadline)
        except (PoolExhaustedError, PoolUnavailableError):
            # A request that goes on after a refusal (a session that is optional, a view
            # with a fallback) would otherwise wait as many timeouts as it has commands.
            self._patience = deadline or Deadline(self.pool.timeout, began)
            raise
        self.held.append(connection)
        self._make_own(connection)
        return connection

    async def _from_pool(self, deadline: Deadline | None) -> GuardedAsyncConnection:
        if self._budget is None:
            return await self.pool.get_connection(deadline=deadline, priority=self.priority)
        with (spending := self._spend()):
            spending.require()
            deadline = self._budget.cut(deadline or Deadline(self.pool.timeout))
            return await self.pool.get_connection(deadline=deadline, priority=self.priority)

    async def _wait_for_turn(self, task: object, deadline: Deadline) -> bool:
        if self._budget is None:
            return await self._turn.take(task, deadline)
        with self._spend():
            if not await self._turn.take(task, self._budget.cut(deadline)):
                raise self._busy()
        return True

    def looks_alive(self, connection: GuardedAsyncConnection) -> bool:
        """Look at a connection without a round trip: still open, and nothing to read."""
        return looks_alive(connection)

    def _put_back(self) -> None:
        """End this task's turn, and with it what waited for that."""
        self._used_at = monotonic()
        try:
            if self._turn.depth == 1 and (self._ended or self.pool.hold == "command"):
                self._give_back_held()
        finally:
            self._turn.give()

    async def take_extra(self) -> GuardedAsyncConnection:
        """Take one more connection, for pubsub() or monitor(); it comes back with the lease."""
        if self._ended or self._pid != getpid():
            raise self._misuse()
        self._enter()
        connection = await self._from_pool(None)
        self._add_extra(connection)
        return connection

    # -- the loop ----------------------------------------------------------------------

    def _enter(self) -> None:
        """See that this is the loop in which the lease was first used.

        If that one is closed, begin anew in this one: an async view under WSGI and a template
        of the same request may each have a loop of their own.
        """
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        if self._loop is not None:
            if not self._loop.is_closed():
                raise LeaseError(
                    f'the lease of "{self.pool.alias}" belongs to another event loop; '
                    "call get_async_redis() for a client that works in this one",
                    alias=self.pool.alias,
                )
            if not any(connection.has_lost_state for connection in self.held):
                self.held.clear()  # else it stays, and tells so at the next command
            self._extra.clear()
            self._turn = Turn()
            self.pool = self.pool.for_running_loop()
        self._loop = loop

    # -- giving back -------------------------------------------------------------------

    async def give_back(self) -> None:
        """Give the connection back early; the next command takes one again.

        State that was set up on it (WATCH, SELECT, ...) is gone then, and a pipeline that
        still has the connection cannot go on. Raises `ConnectionPoolTimeoutError` when
        another task keeps the connection for longer than the pool's `timeout`.
        """
        if self._pid != getpid():
            raise self._misuse()
        self._enter()
        task = asyncio.current_task()
        if not self._turn.take_at_once(task) and not await self._wait_for_turn(
            task, Deadline(self.pool.timeout)
        ):
            raise self._busy()
        try:
            self._give_back_held()
        finally:
            self._turn.give()

    def end(self) -> None:
        """End the lease: everything it holds goes back to the pool. Twice is fine.

        Never waits. From another task that is in the middle of an exchange the connection
        is taken away; one that is dialling gives back as it leaves. From another thread, say
        of a middleware that knows no coroutines, the loop does it as soon as it can.
        """
        self._ended = True
        if self.held or self._extra:
            self.pool._at_home(self._end)

    def _end(self) -> None:
        try:
            self._end_held()
        finally:
            self._give_back_extra()

    def _end_held(self) -> None:
        if not self._turn.depth:
            self._give_back_held()
        elif not any(connection.is_dialling for connection in self.held):
            connection = self._pop_held()
            if connection is not None:
                self.pool.forfeit(connection)

    def _give_back_held(self) -> None:
        connection = self._pop_held()
        if connection is None:
            return
        if self._turn.depth > 1:  # a pipeline of this task still refers to it
            connection.cut()
        self._return(connection)

    def _return(self, connection: GuardedAsyncConnection) -> None:
        """Give a connection to the pool, unless that has left the loop, and with it them all.

        Without what is this borrower's.
        """
        if connection.budget is not None:
            connection.lend(None)
        if connection.slot is not None:
            self.pool.take_back(connection)

    @property
    def is_watching(self) -> bool:
        """Tell whether this task is between a WATCH and its EXEC on the connection."""
        is_mine = self._turn.is_of(asyncio.current_task())
        return is_mine and any("WATCH" in connection.marks for connection in self.held)

    async def re_auth_callback(self, token: Any) -> None:
        """Tell the pool that credentials changed."""
        await self.pool.re_auth_callback(token)

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Give the leased connection back; others' are not touched."""
        await self.give_back()

    def reset(self) -> None:
        """Do nothing: what is out is somebody's who is using it."""

    async def close(self) -> None:
        """End the lease."""
        self.end()

    aclose = close
