"""Making connections, and making sure of them: all of it before one deadline."""

from __future__ import annotations

from time import monotonic
from typing import Any

from . import refusals
from .connection import GuardedConnection, guarded
from .deadline import Deadline
from .errors import LeaseError, PoolClosedError, PoolExhaustedError, PoolUnavailableError
from .ledger import Refusal, Slot
from .liveness import answers, looks_alive
from .stats import PoolStats
from .verdict import REFUSED, UNREACHABLE, Verdict, judge, without_secrets
from .waiting import Waiting

__all__ = ["Dialling"]

# Seconds. An idle connection is looked at (no round trip) unless it was in use this
# recently, too short for a server or network to have dropped it since: a pool under load
# spends no system call on it.
LOOK_AFTER = 0.00005

# Seconds that a dial has in any case: with timeout=0 a caller waits for nobody, but a
# connection takes its time to make.
DIAL_AT_LEAST = 0.05


class Dialling(Waiting):
    """The part of the pool that dials, renews and validates."""

    connection_class: type[Any]
    connection_kwargs: dict[str, Any]

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

    def _dial(self, slot: Slot, deadline: Deadline) -> GuardedConnection:
        """Make a connection in a slot that was opened for it."""
        try:
            connection = guarded(self.connection_class)(**self.connection_kwargs)
            connection.slot = slot
            connection.home = self._ref
            self._open(connection, slot, deadline.at_least(DIAL_AT_LEAST))
            self._require_open(connection)
        except BaseException as error:
            self._free(slot, end=_end_of(error))
            raise
        self._count_end("acquired")
        return connection

    def _renew(self, connection: GuardedConnection, deadline: Deadline) -> None:
        """Dial again in place of an idle connection that proved dead.

        In the same slot: its taker has had its turn, and keeps it.
        """
        slot = connection.slot
        try:
            connection.disconnect()
            with self._lock:
                self._ledger.counters.add_discard("stale")
            self._redial(connection, deadline.at_least(DIAL_AT_LEAST))
            self._require_open(connection)
        except BaseException as error:
            with self._lock:
                self._ledger.counters.acquired -= 1
            connection.retire()
            if slot is not None:
                self._free(slot, end=_end_of(error))
            raise

    def _require_open(self, connection: GuardedConnection) -> None:
        """Lend nothing from a pool that was closed during the dial."""
        if self._ledger.is_closed:
            connection.retire()
            raise self._refused(Refusal.CLOSED)

    def reconnect(self, connection: GuardedConnection) -> None:
        """Dial again for the holder of `connection`, within `timeout`.

        Raises `PoolUnavailableError` when the server cannot be reached, at once when
        the circuit is open.
        """
        if connection.broken:
            self._ledger.doubted_at = monotonic()
        self._redial(connection, Deadline(max(self.timeout, DIAL_AT_LEAST)))

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
            self._dial_failed(connection, slot, error, deadline.at - began)
            raise
        with self._lock:
            now = monotonic()
            ledger.connected(slot, connection, now)
            ledger.counters.created += 1
            ledger.counters.create_seconds += now - began
            ledger.serve(now)
        self._settle()

    def _dial_failed(
        self, connection: GuardedConnection, slot: Slot, error: BaseException, had: float
    ) -> None:
        """Enter a failed dial in the books; raise what the caller shall see in its place.

        `had` is the time that it was given: a dial that began shortly before its caller's
        deadline says nothing about the server.
        """
        clean = without_secrets(error, self.connection_kwargs)
        try:
            verdict = judge(clean, heard=connection.heard, had=had, enough=self.timeout)
            stats = self._enter_failure(slot, clean, verdict)
            if verdict is Verdict.CUT_SHORT:
                raise refusals.exhausted(Refusal.TIMED_OUT, stats, self.timeout) from clean
            if isinstance(clean, UNREACHABLE) and not isinstance(clean, REFUSED):
                raise refusals.unavailable(stats, clean, 0.0)
            if clean is not error:
                raise clean from clean.__cause__
        finally:
            del clean  # it refers to this frame by now, and a cycle would keep the slot

    def _enter_failure(self, slot: Slot, error: BaseException, verdict: Verdict) -> PoolStats:
        """Tell the books and the circuit; return the numbers as they were before."""
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
        return stats

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
        if connection.generation != ledger.generation or not looks_alive(connection):
            return False
        in_doubt = slot.since - slot.idle_for < ledger.doubted_at
        return not in_doubt or answers(connection, deadline)


def _end_of(error: BaseException) -> str:
    """Name the counter for a request whose dial ended with `error`."""
    if isinstance(error, PoolUnavailableError):
        return "unavailable"
    if isinstance(error, PoolExhaustedError):
        return "timed_out"
    if isinstance(error, PoolClosedError):
        return "closed"
    return "failed" if isinstance(error, Exception) else "cancelled"
