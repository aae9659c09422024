"""`RedisPool`: what its users call; the work is done one floor down.

Returning  the books under their lock, and the way back
Waiting    the queue
Dialling   connections made and made sure of
Keeping    connections filled up, aged out, looked for
RedisPool  arguments, lending, closing, redis-py's odds and ends, fork
"""

from __future__ import annotations

import os
import weakref
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Self

import redis
from redis.connection import Connection

from .client import ClientFactory
from .config import PoolConfig, check_connection_arguments, check_pool_arguments
from .connection import GuardedConnection
from .deadline import Deadline
from .forks import getpid, here, in_child
from .interface import ConnectionPoolInterface, PoolInterface
from .keeping import Keeping
from .lease import Lease
from .life import Life
from .records import HELD, Slot
from .report import caller_site
from .waiting import GLANCE

if TYPE_CHECKING:
    from redis.retry import Retry

__all__ = ["RedisPool"]


class RedisPool(Keeping, PoolInterface, ConnectionPoolInterface):
    """A bounded, fair pool on redis-py's pool interface.

    It works wherever redis-py takes `connection_pool=`. `max_connections` bounds the
    connections of this process; a caller that finds all of them in use waits its turn,
    at most `timeout` seconds for queue, dial, handshake and validation together
    (`socket_timeout`, among `connection_kwargs`, is the wait for a reply). `max_waiting`
    callers may queue (None: any number), `max_connecting` may dial at the same time.

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

    def __init__(  # noqa: PLR0913  reads like redis-py's constructor, one argument a setting
        self,
        connection_class: type[Any] = Connection,
        max_connections: int = 16,
        timeout: float = 2.0,
        *,
        alias: str = "default",
        max_waiting: int | None = None,
        max_connecting: int = 2,
        hold: str = "request",
        min_idle: int = 0,
        max_idle: int | None = None,
        idle_timeout: float | None = 300.0,
        max_lifetime: float | None = 1800.0,
        validate_after: float | None = 30.0,
        leak_detection_threshold: float | None = None,
        housekeeping_interval: float | None = 30.0,
        **connection_kwargs: Any,
    ) -> None:
        check_pool_arguments(
            max_connections=max_connections,
            timeout=timeout,
            max_waiting=max_waiting,
            max_connecting=max_connecting,
            hold=hold,
            min_idle=min_idle,
            max_idle=max_idle,
            idle_timeout=idle_timeout,
            max_lifetime=max_lifetime,
            validate_after=validate_after,
            leak_detection_threshold=leak_detection_threshold,
            housekeeping_interval=housekeeping_interval,
        )
        check_connection_arguments(connection_kwargs)
        PoolInterface.__init__(self, connection_class, connection_kwargs)
        Keeping.__init__(self)
        self.alias = alias
        self.timeout = float(timeout)
        self.max_connections = max_connections
        self.max_waiting = max_waiting
        self.max_connecting = max_connecting
        self.hold = hold
        self.min_idle = min_idle
        self.life = Life(
            max_idle=max_idle,
            idle_timeout=idle_timeout,
            max_lifetime=max_lifetime,
            validate_after=validate_after,
        )
        self.leak_detection_threshold = leak_detection_threshold
        self.housekeeping_interval = housekeeping_interval
        self._lock, self._ledger, self._pid = self._new_books(closed=False)
        self._start_clients()
        _pools.add(self)

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> Self:
        """Return a pool for `url`; its query takes redis-py's and the pool's arguments.

        Raises `ConfigError` for a URL it cannot read, or an argument given twice with
        different values.
        """
        return cls.from_config(PoolConfig.from_url(url, **kwargs))

    @classmethod
    def from_config(cls, config: PoolConfig) -> Self:
        """Return a pool as one entry of `REDIS_POOLS` describes it."""
        return cls(**config.pool_arguments())

    def __repr__(self) -> str:
        return f'<{type(self).__name__} "{self.alias}" {self.stats().summary()}>'

    # -- borrowing -----------------------------------------------------------------------

    def lease(self, holder: object = None, *, waits_once: bool = False) -> Lease:
        """Return a context manager over a client pinned to one connection.

        The connection is taken at the first command, and given back at the end of the
        `with` block. `holder` names the borrower in warnings and reports: a text, or an
        object whose `str()` is asked for when there is something to report. With
        `waits_once`, as in a web request, a lease that was refused does not wait a second
        `timeout`: what is left of the first is all it has.
        """
        return Lease(self, holder, waits_once=waits_once)

    def get_connection(
        self,
        command_name: str | None = None,
        *keys: Any,
        deadline: Deadline | None = None,
        **options: Any,
    ) -> GuardedConnection:
        """Take a connection that is ready for a command; the caller owes a `release`.

        Waits at most `timeout` seconds, or until the `deadline`; the other arguments are
        redis-py's, and ignored. Raises `ConnectionPoolTimeoutError` then, `PoolQueueFullError`,
        `PoolUnavailableError` when the server cannot be reached, `PoolClosedError`; and the
        server's own answer where that is a refused password or database.
        """
        if not here[0]:
            getpid()
        ledger = self._ledger
        if ledger.graveyard or ledger.returned:
            self._settle()
        # What follows is Ledger.take_idle(), in one piece with this as in release().
        try:
            connection = None if ledger.queue or ledger.is_paused else ledger.idle.pop()
        except IndexError:
            connection = None
        if connection is not None:
            slot: Slot = connection.slot  # type: ignore[assignment]  # while it was idle
            now = monotonic()
            ledger.lent.add(slot.key)
            slot.tally.acquired += 1
            slot.taken_at = now
            slot.state = HELD  # last: who sees that looks for how long
            if (
                now < slot.fresh_until
                and connection.generation == ledger.generation
                and self.leak_detection_threshold is None
            ):
                return connection
        connection = self._get_with_care(connection, deadline or Deadline(self.timeout))
        if self.leak_detection_threshold is not None and connection.slot is not None:
            connection.slot.site = caller_site()
        return connection

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

    # -- clients and redis-py's odds and ends ------------------------------------------

    def _start_clients(self) -> None:
        """Make what makes clients: at birth, and in the child after a fork.

        redis-py's clients have locks; those of the parent may be locked for good.
        """
        self.client_factory = ClientFactory(self)
        self._client: redis.Redis | None = None

    @property
    def client(self) -> redis.Redis:
        """A client that borrows a connection per command; safe to share by threads."""
        # Not a cached_property: in Python 3.11 that has a lock, which a fork can leave locked.
        if self._client is None:
            self._client = redis.Redis(connection_pool=self)  # type: ignore[arg-type]
        return self._client

    def set_retry(self, retry: Retry) -> None:
        """Set the retry policy of all connections, those that are out included."""
        self._notice_fork()
        self.connection_kwargs["retry"] = retry
        with self._lock:
            slots = self._ledger.slots()
        for slot in slots:
            connection = slot.connection() if slot.connection is not None else None
            if connection is not None:
                connection.retry = retry

    def re_auth_callback(self, token: Any) -> None:
        """Begin anew with the credentials that have just changed.

        Idle connections close now, those in use when they come back; redis-py would send
        AUTH on them, under its lock.
        """
        self.disconnect()

    def owns_connection(self, connection: Any) -> bool:
        """Tell whether `connection` was made by this pool in this process."""
        return getattr(connection, "home", None) is self._ref and not connection.is_inherited

    def get_connection_count(self) -> list[tuple[int, dict[str, Any]]]:
        """Return (count, OpenTelemetry attributes) of the idle and the used connections."""
        stats = self.stats()
        name = {"db.client.connection.pool.name": self.alias}
        return [
            (stats.idle, {**name, "db.client.connection.state": "idle"}),
            (stats.in_use, {**name, "db.client.connection.state": "used"}),
        ]

    # -- fork --------------------------------------------------------------------------

    def after_fork(self) -> None:
        """Start anew in the child: the parent's sockets are closed here, not shut down."""
        before = self._ledger
        if self._pid == os.getpid():
            return
        # Those that are out, too: a `with` block that unwinds in the child would talk on
        # the parent's socket.
        for slot in before.slots():
            connection = slot.connection() if slot.connection is not None else None
            if connection is not None:
                connection.retire()
        self._start_clients()
        books = self._new_books(closed=before.is_closed, paused=before.is_paused)
        if self._ledger is before:  # else a signal handler came meanwhile, and uses its own
            self._lock, self._ledger, self._pid = books


_pools: weakref.WeakSet[RedisPool] = weakref.WeakSet()


@in_child
def _start_anew() -> None:
    for pool in list(_pools):
        pool.after_fork()
