"""`AsyncRedisPool`: what its users call; the twin of `RedisPool`, for one event loop."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any, Self

import redis.asyncio

from ..books.records import Waiter
from ..books.report import caller_site
from ..config import PoolConfig
from ..deadline import Deadline
from ..leasing.leased import ClientFactory
from ..pooling.lending import Lending
from ..priority import Priority
from .bell import Bell
from .client import LeasedAsyncRedis
from .connection import GuardedAsyncConnection
from .in_loop import InLoop
from .kinds import arguments_for_asyncio
from .lease import AsyncLease
from .waiting import GLANCE

__all__ = ["AsyncRedisPool"]


class AsyncRedisPool(Lending[AsyncLease], InLoop):
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
    _lease_class = AsyncLease

    @classmethod
    def from_config(cls, config: PoolConfig) -> Self:
        """Return a pool as one entry of `REDIS_POOLS` describes it."""
        config.require_one_server("pool for asyncio")
        return cls(**arguments_for_asyncio(config))

    # -- borrowing -----------------------------------------------------------------------

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
        if connection is None:
            waiter = Waiter(self.timeout, priority, deadline, Bell())
            connection = await self._take_turn(waiter)
        elif ledger.lends_with_care or not self._is_fresh(connection):
            connection = await self._get_with_care(connection, deadline, priority)
        if self.leak_detection_threshold is not None and connection.slot is not None:
            connection.slot.site = caller_site()
        return connection  # type: ignore[no-any-return]

    async def release(self, connection: Any) -> None:
        """Give a connection back; it is kept if clean, closed if not. Never waits.

        Raises `LeaseError` for a connection that is not out: the books stay as they are.
        """
        self._at_home(self.take_back, connection)

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
        built = redis.asyncio.Redis(connection_pool=self)  # type: ignore[arg-type]
        self.client_factory: ClientFactory[LeasedAsyncRedis]
        self.client_factory = ClientFactory(built, LeasedAsyncRedis)
        self._client: redis.asyncio.Redis | None = None

    @property
    def client(self) -> redis.asyncio.Redis:
        """A client that borrows a connection per command; safe to share by tasks."""
        if self._client is None:
            self._client = redis.asyncio.Redis(connection_pool=self)  # type: ignore[arg-type]
        return self._client

    async def re_auth_callback(self, token: Any) -> None:
        """Begin anew with the credentials that have just changed.

        Idle connections close now, those in use when they come back; redis-py would send
        AUTH on them.
        """
        self.drain()
