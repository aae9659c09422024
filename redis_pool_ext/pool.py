"""`RedisPool`: what its users call; the work is done one floor down.

Books, Returning, Queueing, Following, Outcomes, Trusting, Upkeep
            what needs no waiting, and both pools have
PoolBase    settings, clients, fork
Waiting     the queue of threads
Dialling    connections made and made sure of
Keeping     connections filled up
Lending     leases
RedisPool   lending, closing
"""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Self

import redis

from .books.records import HELD, Slot, Waiter
from .books.report import caller_site
from .client import LeasedRedis
from .connection import GuardedConnection
from .deadline import Deadline
from .forks import getpid, here
from .lease import Lease
from .leasing.leased import ClientFactory
from .pooling.base import PoolBase
from .pooling.interface import ConnectionPoolInterface
from .pooling.keeping import Keeping
from .pooling.lending import Lending
from .pooling.waiting import GLANCE
from .priority import Priority

__all__ = ["RedisPool"]


class RedisPool(Lending[Lease], PoolBase, Keeping, ConnectionPoolInterface):
    """A bounded, fair pool on redis-py's pool interface.

    It works wherever redis-py takes `connection_pool=`. `max_connections` bounds the
    connections of this process; a caller that finds all of them in use waits its turn,
    at most `timeout` seconds for queue, dial, handshake and validation together
    (`socket_timeout`, among `connection_kwargs`, is the wait for a reply). `max_waiting`
    callers may queue (None: any number), `max_connecting` may dial at the same time.

    With the `queue_discipline` "codel" ("fifo": with none) callers are sent away early while
    too many come: that is when for `queue_interval` seconds nobody was served within
    `queue_target` seconds. `reserved` connections are kept free for a priority and those above
    it, as in `{"high": 2}`.

    A connection is kept for `max_lifetime` seconds, up to a quarter less at random, and
    idle for at most `idle_timeout`; `max_idle` of them may idle, and `min_idle` are kept
    ready. After `validate_after` seconds it answers a PING before it is lent. One that is
    out for more than `leak_detection_threshold` seconds is reported. All of these: None
    for no limit. A thread looks after that every `housekeeping_interval` seconds (None: no
    thread; see `keep_house`).

    Remaining arguments are redis-py's, for `connection_class`.

    Nothing connects before the first command. After a fork the child has an empty pool
    of its own. Raises `ConfigError` for an impossible argument.
    """

    _connects_by = redis.Connection
    _lease_class = Lease

    # -- borrowing -----------------------------------------------------------------------

    def get_connection(
        self,
        command_name: str | None = None,
        *keys: Any,
        deadline: Deadline | None = None,
        priority: Priority = Priority.NORMAL,
        **options: Any,
    ) -> GuardedConnection:
        """Take a connection that is ready for a command; the caller owes a `release`.

        Waits at most `timeout` seconds, or until the `deadline`; of several who wait, those of
        a higher `priority` go first. The other arguments are redis-py's, and ignored. Raises
        `ConnectionPoolTimeoutError` then, `PoolQueueFullError`, `PoolUnavailableError` when the
        server cannot be reached, `PoolClosedError`; and the server's own answer where that is a
        refused password or database.
        """
        if not here[0]:
            getpid()
        ledger = self._ledger
        if ledger.graveyard or ledger.returned:
            self._settle()
        connection: GuardedConnection | None
        # What follows is Ledger.take_idle(), in one piece with this as in release().
        try:
            connection = None if ledger.queue or ledger.lends_by_turn else ledger.idle.pop()  # type: ignore[assignment]  # of its own kind
        except IndexError:
            connection = None
        if connection is None:
            connection = self._take_turn(Waiter(self.timeout, priority, deadline))
        else:
            slot: Slot = connection.slot  # type: ignore[assignment]  # while it was idle
            now = monotonic()
            ledger.lent.add(slot.key)
            slot.tally.acquired += 1
            slot.taken_at = now
            slot.state = HELD  # last: who sees that looks for how long
            if (
                now < slot.fresh_until
                and connection.generation == ledger.generation
                and not ledger.lends_with_care
            ):
                return connection
            connection = self._get_with_care(connection, deadline, priority)
        if self.leak_detection_threshold is not None and connection.slot is not None:
            connection.slot.site = caller_site()
        return connection

    if TYPE_CHECKING:

        def release(self, connection: Any) -> None:
            """Give back what `get_connection` has given; twice is refused, and changes nothing."""

    else:
        # Not by way of another method: each request comes by here.
        release = PoolBase.take_back

    # -- closing -----------------------------------------------------------------------

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Do the same as `drain()`.

        Never cuts a connection that somebody is using, whatever the argument says: in
        redis-py that voids a WATCH in silence.
        """
        self.drain()

    def reset(self) -> None:
        """Forget what was connected so far; same as `disconnect()`."""
        self.disconnect()

    def close(self, timeout: float = 0.0) -> bool:
        """Give out nothing any more; waiters fail at once with `PoolClosedError`.

        Idle connections close now, those in use when they come back: nobody is cut. Waits
        up to `timeout` seconds for them, and returns whether all are back. Closing twice
        is fine. There is no way to reopen: make another pool. `redis.Redis.from_pool(pool)`
        owns its pool and closes it with itself; to share one use
        `redis.Redis(connection_pool=pool)`.
        """
        deadline = Deadline(timeout)
        self._begin_generation("pool_closed", close=True)
        while (stats := self.stats()).in_use or stats.connecting:
            if deadline.remaining() == 0.0:
                return False
            sleep(min(deadline.remaining(), GLANCE / 5))
        self._discard_each(self._ledger.take_outdated)  # of whom an exception struck meanwhile
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # -- clients -----------------------------------------------------------------------

    def _start_clients(self) -> None:
        built = redis.Redis(connection_pool=self)  # type: ignore[arg-type]
        self.client_factory: ClientFactory[LeasedRedis] = ClientFactory(built, LeasedRedis)
        self._client: redis.Redis | None = None

    @property
    def client(self) -> redis.Redis:
        """A client that borrows a connection per command; safe to share by threads."""
        # Not a cached_property: in Python 3.11 that has a lock, which a fork can leave locked.
        if self._client is None:
            self._client = redis.Redis(connection_pool=self)  # type: ignore[arg-type]
        return self._client

    def re_auth_callback(self, token: Any) -> None:
        """Begin anew with the credentials that have just changed.

        Idle connections close now, those in use when they come back; redis-py would send
        AUTH on them, under its lock.
        """
        self.disconnect()
