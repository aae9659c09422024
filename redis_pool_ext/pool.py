"""`RedisPool`: waits, dials, and hands out; the books are kept by the ledger."""

from __future__ import annotations

import logging
import os
import threading
import weakref
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
from .dialling import REFUSED, UNREACHABLE, Verdict, judge, without_secrets
from .errors import LeaseError, PoolExhaustedError, PoolUnavailableError, RedisPoolError
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

# Seconds between two looks of a waiter at what finalizers left behind.
GLANCE = 0.05

# Reasons to close a connection that are nobody's mistake; any other one is logged.
_QUIET = frozenset({"error", "closed", "stale", "drained", "pool_closed", "lost"})


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
        # Re-entrant, for `_is_owned()`: a finalizer or signal handler may enter the pool
        # while its own thread is under the lock.
        self._lock = threading.RLock()
        self._ledger = Ledger(
            alias=self.alias,
            max_connections=self.max_connections,
            max_connecting=self.max_connecting,
            max_waiting=self.max_waiting,
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
        return self.borrow(None)

    def borrow(self, deadline: Deadline | None) -> GuardedConnection:
        """Do what `get_connection` does before `deadline`; None: within `timeout`."""
        if self._pid != os.getpid():
            self.after_fork()
        now = monotonic()
        ledger = self._ledger
        connection = None
        with self._lock:
            if ledger.idle and not ledger.queue:
                connection = ledger.take_idle(now)
        if ledger.graveyard or ledger.returned:
            self._settle()
        if connection is not None and self._is_fresh(connection):
            return connection
        return self._get_with_care(connection, deadline or Deadline(self.timeout))

    def release(self, connection: Any) -> None:
        """Give a connection back; it is kept if clean, closed if not. Never waits.

        Raises `LeaseError` for a connection that is not out: the books stay as they are.
        """
        if not isinstance(connection, GuardedConnection) or connection.home is not self._ref:
            raise LeaseError(f'{connection!r} is not of the pool "{self.alias}"', alias=self.alias)
        if connection.is_inherited:
            connection.retire()  # the parent's socket: close our copy, touch no books
            return
        ledger = self._ledger
        if self._lock._is_owned():  # type: ignore[attr-defined]  # threading.Condition asks, too
            ledger.returned.append(connection)
            return
        dirt = connection.dirt()
        with self._lock:
            reason = ledger.take_back(connection, dirt, monotonic())
        if reason is not None:
            self._discard(connection, reason)
        if ledger.graveyard or ledger.returned:
            self._settle()

    def forfeit(self, connection: GuardedConnection) -> None:
        """Take back a connection that another thread is in the middle of using."""
        slot = connection.slot
        if slot is not None:
            connection.forfeit()
            with self._lock:
                self._ledger.count_hold(slot, monotonic())
            self._free(slot, "forfeited")

    # -- the slow path: queue, dial, validate, all before one deadline ------------------

    def _get_with_care(
        self, connection: GuardedConnection | None, deadline: Deadline
    ) -> GuardedConnection:
        """Turn an idle connection in doubt, or a place in the queue, into a good one."""
        gift = self._queue(deadline) if connection is None else connection
        if isinstance(gift, Slot):
            return self._dial(gift, deadline)
        if not (self._is_fresh(gift) or self._is_alive(gift, deadline)):
            self._renew(gift, deadline)
        return gift

    def _queue(self, deadline: Deadline) -> GuardedConnection | Slot:
        """Wait for a connection, or for a free slot to dial in."""
        if self._lock._is_owned():  # type: ignore[attr-defined]
            raise LeaseError(
                "a signal handler or finalizer asked for a connection while its thread was "
                f'inside the pool "{self.alias}"; do it outside of the handler',
                alias=self.alias,
            )
        waiter = Waiter(deadline.at)
        waited = 0.0
        try:
            # Not past the deadline, or a caller with timeout=0 would come too late for
            # what is there to be taken.
            if self._join_queue(waiter, min(monotonic(), deadline.at)):
                waited = self._wait(waiter, deadline)
            self._leave_queue(waiter, waited)
        except BaseException:
            self._walk_away(waiter)
            raise
        if waiter.gift is not None:
            return waiter.gift
        refusal = waiter.refusal or Refusal.TIMED_OUT
        self._count_end(refusal.value)
        raise self._refused(refusal)

    def _wait(self, waiter: Waiter, deadline: Deadline) -> float:
        """Sleep until there is a gift or a refusal, or the deadline; return the seconds.

        Wakes now and then for what finalizers have left behind: they take no lock, and
        wake nobody.
        """
        began = monotonic()
        while not waiter.wake.acquire(True, min(deadline.remaining(), GLANCE)):
            self._settle()
            if monotonic() >= deadline.at:
                break
        return monotonic() - began

    def _join_queue(self, waiter: Waiter, now: float) -> bool:
        """Queue up, and tell whether there is anything to wait for."""
        ledger = self._ledger
        with self._lock:
            ledger.queue[waiter] = None
            ledger.serve(now)
            if waiter.gift is None:
                waiter.refusal = ledger.refusal(now)
        self._settle()
        return waiter.gift is None and waiter.refusal is None

    def _leave_queue(self, waiter: Waiter, waited: float) -> None:
        """Settle how the wait ended; under the lock, so it cannot end both ways."""
        ledger = self._ledger
        with self._lock:
            ledger.queue.pop(waiter, None)
            if waited:
                ledger.counters.add_wait(waited)
        self._settle()

    def _walk_away(self, waiter: Waiter) -> None:
        """Leave the queue for good, passing on what was given at the last moment."""
        self._leave_queue(waiter, 0.0)
        gift = waiter.gift
        if isinstance(gift, Slot):
            self._free(gift, end="cancelled")
        elif gift is not None:
            self.release(gift)
        else:
            self._count_end("cancelled")

    def _count_end(self, end: str) -> None:
        with self._lock:
            self._ledger.counters.add_end(end)

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
            # With timeout=0 nobody is waited for, but a connection takes its time to make.
            self._open(connection, slot, deadline if self.timeout else Deadline(DIAL_AT_LEAST))
        except BaseException as error:
            self._free(slot, end=_end_of(error))
            raise
        self._count_end("acquired")
        return connection

    def _renew(self, connection: GuardedConnection, deadline: Deadline) -> None:
        """Dial again in place of an idle connection that proved dead.

        In the same slot: its taker has had its turn, and keeps it.
        """
        try:
            connection.disconnect()
            with self._lock:
                self._ledger.counters.add_discard("stale")
            self._redial(connection, deadline)
        except BaseException as error:
            with self._lock:
                self._ledger.counters.acquired -= 1
            slot = connection.slot
            connection.retire()
            if slot is not None:
                self._free(slot, end=_end_of(error))
            raise

    def reconnect(self, connection: GuardedConnection) -> None:
        """Dial again for the holder of `connection`, within `timeout`.

        Raises `PoolUnavailableError` when the server cannot be reached, at once when
        the circuit is open.
        """
        if connection.broken:
            self._ledger.doubted_at = monotonic()
        self._redial(connection, Deadline(self.timeout or DIAL_AT_LEAST))

    def _redial(self, connection: GuardedConnection, deadline: Deadline) -> None:
        slot = connection.slot
        if slot is None or connection.is_inherited:
            raise LeaseError("this connection belongs to another process, or was given back")
        ledger = self._ledger
        try:
            with self._lock:
                admitted = ledger.circuit.admits(monotonic())
                if admitted:
                    ledger.connecting(slot)
            if not admitted:
                raise self._refused(Refusal.UNAVAILABLE)
            self._open(connection, slot, deadline)
        except BaseException:
            with self._lock:
                ledger.not_connecting(slot.key)
            raise
        finally:
            self._settle()

    def _open(self, connection: GuardedConnection, slot: Slot, deadline: Deadline) -> None:
        """Dial under the deadline and enter in the books how that ended."""
        ledger = self._ledger
        began = monotonic()
        connection.generation = ledger.generation
        try:
            connection.open(deadline)
        except BaseException as error:
            shown = self._dial_failed(connection, slot, error, deadline.at - began)
            if shown is error:
                raise
            raise shown from shown.__cause__
        with self._lock:
            now = monotonic()
            ledger.connected(slot, connection, now)
            ledger.counters.created += 1
            ledger.counters.create_seconds += now - began
            ledger.serve(now)
        self._settle()

    def _dial_failed(
        self, connection: GuardedConnection, slot: Slot, error: BaseException, had: float
    ) -> BaseException:
        """Enter a failed dial in the books; return what the caller shall see.

        `had` is the time that it was given: a dial that began shortly before its caller's
        deadline says nothing about the server.
        """
        error = without_secrets(error, self.connection_kwargs)
        verdict = judge(error, heard=connection.heard, had=had, enough=self.timeout)
        ledger = self._ledger
        with self._lock:
            now = monotonic()
            stats = ledger.stats()
            ledger.not_connecting(slot.key)
            ledger.counters.create_failures += 1
            if verdict is Verdict.DOWN:
                ledger.circuit.failed(now, error)
            elif verdict is Verdict.ANSWERED:
                ledger.circuit.succeeded()
            if ledger.circuit.is_open:
                ledger.refuse_all(Refusal.UNAVAILABLE)
            ledger.serve(now)
        self._settle()
        if verdict is Verdict.CUT_SHORT:
            exhausted = refusals.exhausted(Refusal.TIMED_OUT, stats, self.timeout)
            exhausted.__cause__ = error
            return exhausted
        unreachable = isinstance(error, UNREACHABLE) and not isinstance(error, REFUSED)
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

    def _free(self, slot: Slot, reason: str | None = None, end: str | None = None) -> None:
        """Return a slot to the pool, and let the next waiter have it.

        `reason` says why its connection was closed, `end` how a request ended with it.
        """
        ledger = self._ledger
        with self._lock:
            now = monotonic()
            ledger.close_slot(slot)
            if end is not None:
                ledger.counters.add_end(end)
            if reason is not None:
                ledger.counters.add_discard(reason)
            if reason == "error":
                ledger.doubted_at = now
            ledger.serve(now)
        self._settle()

    def _settle(self) -> None:
        """Act on what finalizers left behind; runs after each use of the lock."""
        ledger = self._ledger
        if self._lock._is_owned():  # type: ignore[attr-defined]
            return  # the one whose use of the lock was interrupted will do it
        while ledger.graveyard:
            with self._lock:
                ledger.bury()
                ledger.serve(monotonic())
        while ledger.returned:
            self.release(ledger.returned.popleft())

    def _drop_idle(self, reason: str, *, close: bool) -> None:
        """Close every idle connection, and with `close` the pool."""
        ledger = self._ledger
        with self._lock:
            ledger.generation += 1
            ledger.is_closed = ledger.is_closed or close
            doomed, ledger.idle = ledger.idle, []
            if close:
                ledger.refuse_all(Refusal.CLOSED)
        while doomed:
            self._discard(doomed.pop(), reason)
        self._settle()

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Close the idle connections now and those in use when they come back.

        Never cuts a connection that somebody is using, whatever the argument says: in
        redis-py that voids a WATCH in silence.
        """
        self._drop_idle("drained", close=False)

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
        self._drop_idle("pool_closed", close=True)

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
        self._settle()
        with self._lock:
            return self._ledger.stats()

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
            before = self._ledger
            self._start_books(closed=before.is_closed)
        # Those that are out, too: a `with` block that unwinds in the child would talk on
        # the parent's socket.
        for slot in before.slots():
            connection = slot.connection() if slot.connection is not None else None
            if connection is not None:
                connection.retire()


def _end_of(error: BaseException) -> str:
    """Name the counter for a request whose dial ended with `error`."""
    if isinstance(error, PoolUnavailableError):
        return "unavailable"
    if isinstance(error, PoolExhaustedError):
        return "timed_out"
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
