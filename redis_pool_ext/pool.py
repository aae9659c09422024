"""`RedisPool`: waits, dials, and hands out; the books are kept by the ledger."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

import redis
from redis.connection import Connection

from . import refusals
from .client import ClientFactory
from .config import PoolConfig, check_pool_arguments
from .connection import GuardedConnection, guarded
from .deadline import Deadline
from .errors import LeaseError, PoolUnavailableError, RedisPoolError
from .interface import ConnectionPoolInterface, PoolInterface
from .lease import Lease
from .ledger import Ledger, Refusal, Slot, Waiter
from .stats import PoolStats

if TYPE_CHECKING:
    from redis.retry import Retry

__all__ = ["RedisPool"]

logger = logging.getLogger("redis_pool_ext")

# Seconds. An idle connection is looked at (no round trip) unless it was in use this
# recently, too short for a server or network to have dropped it since: a pool under load
# spends no system call on it.
LOOK_AFTER = 0.00005

# With timeout=0 a caller waits for nobody, but a connection takes its time to make.
DIAL_AT_LEAST = 0.05

# The server answered, so it is there: these are the configuration's fault, not an outage.
_ANSWERED = (
    redis.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.ResponseError,
)
_UNREACHABLE = (redis.ConnectionError, redis.TimeoutError, OSError)

# Reasons to close a connection that are nobody's mistake; any other one is logged.
_QUIET = frozenset({"error", "closed", "stale", "drained", "pool_closed"})


class RedisPool(PoolInterface, ConnectionPoolInterface):
    """A bounded, fair pool on redis-py's pool interface.

    It works wherever redis-py takes `connection_pool=`. `max_connections` bounds the
    connections of this process; a caller that finds all of them in use waits its turn,
    at most `timeout` seconds for queue, dial, handshake and validation together
    (`socket_timeout`, among `connection_kwargs`, is the wait for a reply). `max_waiting`
    callers may queue (None: any number), `max_connecting` may dial at the same time.
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
        **connection_kwargs: Any,
    ) -> None:
        check_pool_arguments(
            max_connections=max_connections,
            timeout=timeout,
            max_waiting=max_waiting,
            max_connecting=max_connecting,
            hold=hold,
        )
        super().__init__(connection_class, connection_kwargs)
        self.alias = alias
        self.timeout = float(timeout)
        self.max_connections = max_connections
        self.max_waiting = max_waiting
        self.max_connecting = max_connecting
        self.hold = hold
        self._ref = weakref.ref(self)
        self._start_books(closed=False)
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

    def _start_books(self, *, closed: bool) -> None:
        """Begin with nothing: at birth, and in the child after a fork."""
        # Protects the ledger (slots, idle connections, queue, counters, circuit). Held
        # for a few byte codes only: no I/O, logging, callback or socket close under it.
        self._lock = threading.Lock()
        self._ledger = Ledger(
            alias=self.alias,
            max_connections=self.max_connections,
            max_connecting=self.max_connecting,
            max_waiting=self.max_waiting,
            on_slot_lost=_weakly(self._ref),
        )
        self._ledger.is_closed = closed
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f'<{type(self).__name__} "{self.alias}" {self.stats().summary()}>'

    # -- borrowing -----------------------------------------------------------------------

    def lease(self, holder: str | None = None) -> Lease:
        """Return a context manager over a client pinned to one connection.

        The connection is taken at the first command, and given back at the end of the
        `with` block. `holder` names the borrower in warnings and reports.
        """
        return Lease(self, holder)

    def get_connection(
        self, command_name: str | None = None, *keys: Any, **options: Any
    ) -> GuardedConnection:
        """Take a connection that is ready for a command; the caller owes a `release`.

        The arguments are redis-py's, and ignored. Raises `ConnectionPoolTimeoutError`
        after `timeout` seconds, `PoolQueueFullError`, `PoolUnavailableError` when the
        server cannot be reached, `PoolClosedError`; and the server's own answer where
        that is a refused password or database.
        """
        if self._pid != os.getpid():
            self.after_fork()
        now = monotonic()
        ledger = self._ledger
        connection = None
        with self._lock:
            if ledger.idle and not ledger.queue:
                connection = ledger.take_idle(now)
        if ledger.graveyard:
            self._bury()
        if connection is not None and self._is_fresh(connection):
            return connection
        return self._get_with_care(connection, Deadline(self.timeout))

    def release(self, connection: Any) -> None:
        """Give a connection back; it is kept if clean, closed if not. Never waits.

        Raises `LeaseError` for a connection that is not out: the books stay as they are.
        """
        if not isinstance(connection, GuardedConnection) or connection.home is not self._ref:
            raise LeaseError(f'{connection!r} is not of the pool "{self.alias}"', alias=self.alias)
        if connection.is_inherited:
            connection.retire()  # the parent's socket: close our copy, touch no books
            return
        dirt = connection.dirt()
        ledger = self._ledger
        with self._lock:
            reason = ledger.take_back(connection, dirt, monotonic())
        if reason is not None:
            self._discard(connection, reason)
        if ledger.graveyard:
            self._bury()

    # -- the slow path: queue, dial, validate, all before one deadline ------------------

    def _get_with_care(
        self, connection: GuardedConnection | None, deadline: Deadline
    ) -> GuardedConnection:
        """Turn an idle connection in doubt, or a place in the queue, into a good one."""
        first = False
        while True:
            gift = self._queue(deadline, first) if connection is None else connection
            if isinstance(gift, Slot):
                return self._dial(gift, deadline if self.timeout else Deadline(DIAL_AT_LEAST))
            if self._is_fresh(gift) or self._is_alive(gift, deadline):
                return gift
            self._discard(gift, "stale")
            with self._lock:
                self._ledger.counters.acquired -= 1
            # It had its turn and got a dead connection, so it goes to the front.
            connection, first = None, True

    def _queue(self, deadline: Deadline, first: bool) -> GuardedConnection | Slot:
        """Wait for a connection, or for a free slot to dial in."""
        waiter = Waiter(deadline.at)
        waited = 0.0
        try:
            # Not past the deadline, or a caller with timeout=0 would come too late for
            # what is there to be taken.
            if self._join_queue(waiter, first, min(monotonic(), deadline.at)):
                began = monotonic()
                waiter.wake.acquire(True, deadline.remaining())
                waited = monotonic() - began
            self._leave_queue(waiter, waited)
        except BaseException:
            self._walk_away(waiter)
            raise
        if waiter.gift is not None:
            return waiter.gift
        refusal = waiter.refusal or Refusal.TIMED_OUT
        with self._lock:
            self._ledger.counters.add_refusal(refusal.value)
        raise self._refused(refusal)

    def _join_queue(self, waiter: Waiter, first: bool, now: float) -> bool:
        """Queue up, and tell whether there is anything to wait for."""
        ledger = self._ledger
        with self._lock:
            ledger.queue[waiter] = None
            if first:
                ledger.queue.move_to_end(waiter, last=False)
            ledger.serve(now)
            if waiter.gift is None:
                waiter.refusal = ledger.refusal(now)
        return waiter.gift is None and waiter.refusal is None

    def _leave_queue(self, waiter: Waiter, waited: float) -> None:
        """Settle how the wait ended; under the lock, so it cannot end both ways."""
        ledger = self._ledger
        with self._lock:
            ledger.queue.pop(waiter, None)
            if waited:
                ledger.counters.add_wait(waited)
        self._bury()

    def _walk_away(self, waiter: Waiter) -> None:
        """Leave the queue for good, passing on what was given at the last moment."""
        self._leave_queue(waiter, 0.0)
        gift = waiter.gift
        if isinstance(gift, Slot):
            self._free(gift, outcome="cancelled")
        elif gift is not None:
            self.release(gift)
        else:
            with self._lock:
                self._ledger.counters.cancelled += 1

    def _refused(self, refusal: Refusal) -> RedisPoolError:
        """Return the error for a caller who gets nothing."""
        ledger = self._ledger
        with self._lock:
            stats = ledger.stats()
            cause, probe_in = ledger.circuit.last_error, ledger.circuit.next_probe - monotonic()
        if refusal is Refusal.CLOSED:
            return refusals.closed(stats)
        if refusal is Refusal.UNAVAILABLE:
            return refusals.unavailable(stats, cause, max(probe_in, 0.001))
        return refusals.exhausted(refusal, stats, self.timeout)

    # -- dialling and validating -------------------------------------------------------

    def _dial(self, slot: Slot, deadline: Deadline) -> GuardedConnection:
        """Make a connection in a slot that was opened for it."""
        try:
            connection = guarded(self.connection_class)(**self.connection_kwargs)
            connection.slot = slot
            connection.home = self._ref
            self._open(connection, slot, deadline)
        except BaseException as error:
            self._free(slot, outcome=_outcome(error))
            raise
        with self._lock:
            self._ledger.counters.acquired += 1
        return connection

    def reconnect(self, connection: GuardedConnection) -> None:
        """Dial again for the holder of `connection`, within `timeout`.

        Raises `PoolUnavailableError` when the server cannot be reached, at once when
        the circuit is open.
        """
        slot = connection.slot
        if slot is None or connection.is_inherited:
            raise LeaseError("this connection belongs to another process, or was given back")
        ledger = self._ledger
        try:
            with self._lock:
                now = monotonic()
                if connection.broken:
                    ledger.doubted_at = now
                admitted = ledger.circuit.admits(now)
                if admitted:
                    ledger.connecting(slot)
            if not admitted:
                raise self._refused(Refusal.UNAVAILABLE)
            self._open(connection, slot, Deadline(self.timeout))
        except BaseException:
            with self._lock:
                ledger.not_connecting(slot.key)
            raise

    def _open(self, connection: GuardedConnection, slot: Slot, deadline: Deadline) -> None:
        """Dial under the deadline and enter in the books how that ended."""
        ledger = self._ledger
        began = monotonic()
        connection.generation = ledger.generation
        try:
            connection.open(deadline)
        except BaseException as error:
            shown = self._dial_failed(slot, error)
            if shown is error:
                raise
            raise shown from error
        with self._lock:
            now = monotonic()
            ledger.connected(slot, connection, now)
            ledger.counters.created += 1
            ledger.counters.create_seconds += now - began
            ledger.serve(now)
        self._bury()

    def _dial_failed(self, slot: Slot, error: BaseException) -> BaseException:
        """Enter a failed dial in the books; return what the caller shall see."""
        ledger = self._ledger
        answered = isinstance(error, _ANSWERED)
        unreachable = isinstance(error, _UNREACHABLE) and not answered
        with self._lock:
            now = monotonic()
            stats = ledger.stats()
            ledger.not_connecting(slot.key)
            ledger.counters.create_failures += 1
            if unreachable:
                ledger.circuit.failed(now, error)
            elif answered:
                ledger.circuit.succeeded()
            if ledger.circuit.is_open:
                ledger.refuse_all(Refusal.UNAVAILABLE)
            ledger.serve(now)
        return refusals.unavailable(stats, error, 0.0) if unreachable else error

    def _is_fresh(self, connection: GuardedConnection) -> bool:
        """Tell whether a connection was in use a moment ago, and nothing broke since."""
        slot, ledger = connection.slot, self._ledger
        assert slot is not None
        return (
            slot.idle_for < LOOK_AFTER
            and slot.since - slot.idle_for >= ledger.doubted_at
            and connection.generation == ledger.generation
        )

    def _is_alive(self, connection: GuardedConnection, deadline: Deadline) -> bool:
        """Look at an idle connection; ask the server too if others broke since its use."""
        slot, ledger = connection.slot, self._ledger
        assert slot is not None
        if connection.generation != ledger.generation or not connection.looks_alive():
            return False
        in_doubt = slot.since - slot.idle_for < ledger.doubted_at
        return not in_doubt or connection.answers(deadline)

    # -- closing -----------------------------------------------------------------------

    def _discard(self, connection: GuardedConnection, reason: str) -> None:
        """Close a held connection instead of keeping it, then free its slot.

        In this order: the server never sees more than `max_connections`.
        """
        slot = connection.slot
        assert slot is not None
        if reason not in _QUIET:
            logger.warning(
                "%s: connection closed instead of reused: %s, by %s",
                self.alias,
                reason,
                slot.holder or "a borrower without a name",
            )
        connection.retire()
        self._free(slot, reason if reason in _QUIET else "dirty")

    def _free(self, slot: Slot, reason: str | None = None, outcome: str | None = None) -> None:
        """Return a slot to the pool, and let the next waiter have it.

        `reason` says why its connection was closed, `outcome` how the dial in it ended.
        """
        ledger = self._ledger
        with self._lock:
            now = monotonic()
            ledger.close_slot(slot)
            if outcome is not None:
                ledger.counters.add_refusal(outcome)
            if reason is not None:
                ledger.counters.add_discard(reason)
            if reason == "error":
                ledger.doubted_at = now
            ledger.serve(now)
        self._bury()

    def _bury(self) -> None:
        """Free the slots whose holders vanished.

        Runs after each use of the lock, and from the slots' finalizers, which may strike
        while this very thread has the lock: then it leaves the work to the lock's owner.
        """
        ledger = self._ledger
        # Not acquire(False): an exception right behind it would leave the lock taken for
        # good. `with` has no such gap, and where locked() says no, it is not this thread.
        while ledger.graveyard and not self._lock.locked():
            with self._lock:
                ledger.bury()
                ledger.serve(monotonic())

    def _drop_idle(self, reason: str) -> None:
        """Close every idle connection."""
        ledger = self._ledger
        while True:
            with self._lock:
                if not ledger.idle:
                    return
                connection = ledger.idle.pop()
            self._discard(connection, reason)

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Close the idle connections now and those in use when they come back.

        Never cuts a connection that somebody is using, whatever the argument says: in
        redis-py that voids a WATCH in silence.
        """
        with self._lock:
            self._ledger.generation += 1
        self._drop_idle("drained")

    def reset(self) -> None:
        """Forget what was connected so far; same as `disconnect()`."""
        self.disconnect()

    def close(self) -> None:
        """Give out nothing any more; waiters fail at once with `PoolClosedError`.

        Idle connections close now, those in use when they come back. Closing twice is
        fine. There is no way to reopen: make another pool. `redis.Redis.from_pool(pool)`
        owns its pool and closes it with itself; to share one use
        `redis.Redis(connection_pool=pool)`.
        """
        with self._lock:
            self._ledger.is_closed = True
            self._ledger.refuse_all(Refusal.CLOSED)
        self._drop_idle("pool_closed")

    @property
    def is_closed(self) -> bool:
        """Tell whether `close()` was called."""
        return self._ledger.is_closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # -- looking -----------------------------------------------------------------------

    def stats(self) -> PoolStats:
        """Return one consistent snapshot of sizes, counters, waits and holds."""
        with self._lock:
            stats = self._ledger.stats()
        self._bury()
        return stats

    # -- clients and redis-py's odds and ends ------------------------------------------

    @cached_property
    def client(self) -> redis.Redis:
        """A client that borrows a connection per command; safe to share by threads."""
        return redis.Redis(connection_pool=self)  # type: ignore[arg-type]

    @cached_property
    def client_factory(self) -> ClientFactory:
        """Makes the clients of leases."""
        return ClientFactory(self)

    def set_retry(self, retry: Retry) -> None:
        """Set the retry policy of all connections, those that are out included."""
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
        with _fork_lock:
            if self._pid == os.getpid():
                return
            inherited, closed = self._ledger.idle, self._ledger.is_closed
            self._start_books(closed=closed)
        for connection in inherited:
            connection.retire()


def _outcome(error: BaseException) -> str:
    """Name the counter for a request whose dial ended with `error`."""
    if isinstance(error, PoolUnavailableError):
        return "unavailable"
    return "failed" if isinstance(error, Exception) else "cancelled"


_pools: weakref.WeakSet[RedisPool] = weakref.WeakSet()
# Held while a pool starts anew after a fork that ran no hooks (uWSGI forks in C).
_fork_lock = threading.Lock()


def _after_fork_in_child() -> None:
    global _fork_lock  # noqa: PLW0603  another thread may have held it at the fork
    _fork_lock = threading.Lock()
    for pool in list(_pools):
        pool.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _weakly(ref: weakref.ref[RedisPool]) -> Callable[[object], None]:
    """Return a call of the pool's `_bury` that does not keep the pool alive."""

    def bury(_slot_ref: object) -> None:
        pool = ref()
        if pool is not None:
            pool._bury()

    return bury
