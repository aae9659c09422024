"""`AsyncRedisPool`: what its users call; the twin of `RedisPool`, for one event loop."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Self

import redis.asyncio

from ..base import PoolBase
from ..budget import Budget
from ..config import PoolConfig
from ..deadline import Deadline
from ..errors import LeaseError
from ..priority import Priority
from ..report import caller_site
from ..stats import PoolStats
from .client import AsyncClientFactory
from .connection import GuardedAsyncConnection
from .keeping import AsyncKeeping
from .kinds import arguments_for_asyncio
from .lease import AsyncLease
from .waiting import GLANCE

__all__ = ["AsyncRedisPool"]

# At the end of a loop: so many of its turns without a command under way, and nobody has more
# to say. Seconds between two looks while somebody has.
QUIET_TURNS = 3
BREATH = 0.001


class AsyncRedisPool(PoolBase, AsyncKeeping):
    """A bounded, fair pool on redis-py's asyncio pool interface.

    It works wherever redis-py takes `connection_pool=` for `redis.asyncio`. Arguments and
    promises are those of `RedisPool`; `max_connections` bounds the connections of one event
    loop. `resize`, `drain`, `pause`, `resume` and `stats` wait for nothing, and are plain.

    A pool belongs to the loop in which it is first used. While that loop is there, another
    one's tasks are refused with a `LeaseError`; when it has ended, its sockets are closed,
    and the next loop begins anew with an empty pool. A task that is cancelled, at whatever
    `await`, loses no connection and leaves no reply behind.
    """

    _connects_by = redis.asyncio.Connection

    _loop: asyncio.AbstractEventLoop | None = None
    _farewell: AsyncGenerator[None, None] | None = None

    @classmethod
    def from_config(cls, config: PoolConfig) -> Self:
        """Return a pool as one entry of `REDIS_POOLS` describes it."""
        config.require_one_server("pool for asyncio")
        return cls(**arguments_for_asyncio(config))

    # -- borrowing -----------------------------------------------------------------------

    def lease(
        self,
        holder: object = None,
        *,
        waits_once: bool = False,
        budget: Budget | float | None = None,
        priority: Priority | str = Priority.NORMAL,
    ) -> AsyncLease:
        """Return an async context manager over a client pinned to one connection.

        The connection is taken at the first command, and given back at the end of the
        `async with` block. `holder` names the borrower in warnings and reports: a text, or
        an object whose `str()` is asked for when there is something to report. With
        `waits_once`, as in a web request, a lease that was refused does not wait a second
        `timeout`: what is left of the first is all it has.

        `budget`: the seconds that it may spend on Redis in all; then its commands raise
        `BudgetExceededError`. `priority`: "high", "normal" or "low"; who goes first when
        several wait. Raises `ConfigError` for another one of either.
        """
        return AsyncLease(
            self,
            holder,
            waits_once=waits_once,
            # Each request comes by here: what needs no reading is not read.
            budget=None if budget is None else Budget.of(budget),
            priority=priority if type(priority) is Priority else Priority.of(priority),
        )

    async def get_connection(
        self,
        command_name: str | None = None,
        *keys: Any,
        deadline: Deadline | None = None,
        priority: Priority = Priority.NORMAL,
        **options: Any,
    ) -> GuardedAsyncConnection:
        """Take a connection that is ready for a command; the caller owes a `release`.

        Waits at most `timeout` seconds, or until the `deadline`; of several who wait, those of
        a higher `priority` go first. The other arguments are redis-py's, and ignored. Raises
        `ConnectionPoolTimeoutError` then, `PoolQueueFullError`, `PoolUnavailableError` when the
        server cannot be reached, `PoolClosedError`; and the server's own answer where that is a
        refused password or database.
        """
        self._enter()
        self._settle()
        ledger = self._ledger
        connection: Any = None
        if not ledger.queue and not ledger.lends_by_turn and ledger.idle:
            connection = ledger.take_idle(monotonic())
        if connection is None or ledger.lends_with_care or not self._is_fresh(connection):
            deadline = deadline or Deadline(self.timeout)
            connection = await self._get_with_care(connection, deadline, priority)
            if self.leak_detection_threshold is not None and connection.slot is not None:
                connection.slot.site = caller_site()
        return connection  # type: ignore[no-any-return]

    async def release(self, connection: Any) -> None:
        """Give a connection back; it is kept if clean, closed if not. Never waits.

        Raises `LeaseError` for a connection that is not out: the books stay as they are.
        """
        self._at_home(self.take_back, connection)

    # -- the loop ----------------------------------------------------------------------

    def _enter(self) -> None:
        """See that this is the pool's loop; the first one to come is.

        Raises `LeaseError` in any other, as long as that one is not closed.
        """
        self._notice_fork()
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move_to(loop)

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None:
            if not self._loop.is_closed():
                raise LeaseError(
                    f'the pool "{self.alias}" belongs to another event loop, which still is '
                    "there: call get_async_pool() in each loop, or make a pool for each",
                    alias=self.alias,
                )
            self._leave_loop()
        self._loop = loop
        self._farewell = _until_it_ends(weakref.ref(self))
        _start(self._farewell)

    def _leave_loop(self) -> None:
        """Forget a loop that ends: no task of it is left, and its sockets close."""
        self._loop = self._next_look = self._next_round = self._round = None
        self._begin_anew(self._ledger)

    async def _wait_for_last_words(self) -> None:
        """Let those finish who are closed beside us, and use Redis as they end.

        A loop closes all its generators at once. Who uses Redis in its `finally` shall not
        find the connection cut; but nothing holds up the loop's end for more than `timeout`.
        """
        deadline, quiet = Deadline(self.timeout), 0
        while quiet < QUIET_TURNS and deadline.remaining():
            quiet = 0 if self._is_busy() else quiet + 1
            await asyncio.sleep(0 if quiet else BREATH)

    def _is_busy(self) -> bool:
        """Tell whether somebody queues, dials, or waits for a reply."""
        ledger = self._ledger
        refs = [slot.connection for slot in ledger.slots() if slot.connection is not None]
        return bool(ledger.queue) or any(
            connection is not None and connection.is_waited_for
            for connection in (ref() for ref in refs)
        )

    def after_fork(self) -> None:
        """Start anew in the child, which has a copy of the parent's loop, and must not touch it."""
        if self._loop is not None and self._pid != os.getpid():
            _of_parents.append((self._loop, self._farewell))
            self._loop = self._farewell = self._next_look = self._next_round = self._round = None
        super().after_fork()

    def _at_home(self, act: Callable[..., Any], *args: Any) -> None:
        """Do what waits for nothing where the sockets are: in the pool's own loop."""
        if self._loop is None or self._loop.is_closed():
            act(*args)  # nothing of it is open any more
        elif asyncio._get_running_loop() is self._loop:
            act(*args)
        else:
            self._loop.call_soon_threadsafe(act, *args)

    @property
    def has_loop(self) -> bool:
        """Tell whether it was used, in an event loop that is still there."""
        return self._loop is not None and not self._loop.is_closed()

    def stats(self) -> PoolStats:
        """Return a snapshot: sizes of one moment, counters, waits and holds. From any thread."""
        loop = self._loop
        if loop is None or not loop.is_running() or asyncio._get_running_loop() is loop:
            return super().stats()
        self._notice_fork()
        with self._lock:  # what finalizers have left behind is settled in the loop
            return self._ledger.stats()

    def for_running_loop(self) -> AsyncRedisPool:
        """Return the pool to use in the loop that is running; it may be this one."""
        return self

    # -- closing -----------------------------------------------------------------------

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Do the same as `drain()`.

        Never cuts a connection that somebody is using, whatever the argument says: in
        redis-py that voids a WATCH in silence.
        """
        self.drain()

    def reset(self) -> None:
        """Forget what was connected so far; same as `drain()`."""
        self.drain()

    async def close(self, timeout: float = 0.0) -> bool:
        """Give out nothing any more; waiters fail at once with `PoolClosedError`.

        Idle connections close now, those in use when they come back: nobody is cut. Waits
        up to `timeout` seconds for them, and returns whether all are back. Closing twice
        is fine. There is no way to reopen: make another pool.
        """
        deadline = Deadline(timeout)
        self._begin_generation("pool_closed", close=True)
        while (stats := self.stats()).in_use or stats.connecting:
            if deadline.remaining() == 0.0:
                return False
            await asyncio.sleep(min(deadline.remaining(), GLANCE / 5))
        await asyncio.sleep(0)  # asyncio closes a socket in the turn after
        return True

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    # -- clients -----------------------------------------------------------------------

    def _start_clients(self) -> None:
        self.client_factory: AsyncClientFactory = AsyncClientFactory(self)
        self._client: redis.asyncio.Redis | None = None

    @property
    def client(self) -> redis.asyncio.Redis:
        """A client that borrows a connection per command; safe to share by tasks."""
        if self._client is None:
            self._client = redis.asyncio.Redis(connection_pool=self)  # type: ignore[arg-type]
        return self._client

    def credentials_changed(self) -> None:
        """Begin anew with other credentials, as `drain()` does; from whatever thread."""
        self._at_home(self.drain)

    async def re_auth_callback(self, token: Any) -> None:
        """Begin anew with the credentials that have just changed.

        Idle connections close now, those in use when they come back; redis-py would send
        AUTH on them.
        """
        self.drain()


# What a child must not collect: at its end it would wake the parent's loop.
_of_parents: list[Any] = []


async def _until_it_ends(ref: weakref.ref[AsyncRedisPool]) -> AsyncGenerator[None, None]:
    """Wait for the end of the loop: it closes its generators before itself."""
    try:
        yield
    finally:
        pool = ref()
        if pool is not None and pool._loop is asyncio.get_running_loop():
            await pool._wait_for_last_words()
            pool._leave_loop()
            await asyncio.sleep(0)  # asyncio closes a socket in the turn after


def _start(generator: AsyncGenerator[None, None]) -> None:
    """Go as far as the `yield`, which waits for nothing: now the loop knows of it."""
    with suppress(StopIteration):
        generator.__anext__().send(None)
