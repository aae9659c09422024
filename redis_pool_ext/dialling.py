"""Making connections, and making sure of them: all of it before one deadline."""

from __future__ import annotations

import logging
import weakref
from time import monotonic
from typing import Any

from . import refusals
from .connection import GuardedConnection, guarded
from .deadline import Deadline
from .errors import LeaseError, PoolClosedError, PoolExhaustedError, PoolUnavailableError
from .liveness import answers, looks_alive
from .records import Refusal, Slot, SlotState, Waiter
from .stats import PoolStats
from .verdict import (
    REFUSED,
    UNREACHABLE,
    Verdict,
    judge,
    without_secrets,
    without_traceback,
)
from .waiting import Waiting

__all__ = ["Dialling"]

logger = logging.getLogger("redis_pool_ext")

# Seconds that a dial has in any case: with timeout=0 a caller waits for nobody, but a
# connection takes its time to make.
DIAL_AT_LEAST = 0.05

# Seconds. An idle connection that is asked with a PING answers within this time, and within
# half of what its caller has left, or is replaced: an address translation on the way may
# have forgotten it, and then nothing comes back at all.
ANSWER_WITHIN = 1.0


class Dialling(Waiting):
    """The part of the pool that dials, renews and validates."""

    connection_class: type[Any]
    connection_kwargs: dict[str, Any]

    def _get_with_care(
        self, gift: GuardedConnection | None, deadline: Deadline
    ) -> GuardedConnection:
        """Turn an idle connection in doubt, or a place in the queue, into a good one."""
        if gift is None:
            waiter = Waiter(deadline.at)
            return self._make_good(self._queue(waiter, deadline), waiter, deadline)
        # With timeout=0, too, it has the time to answer: all that idle would be renewed.
        if self._is_fresh(gift) or self._is_alive(gift, deadline.at_least(DIAL_AT_LEAST)):
            return gift
        waiter = Waiter(deadline.at, ticket=0)
        dead = self._retire(gift)
        return self._make_good(self._queue(waiter, deadline, dead), waiter, deadline)

    def _make_good(
        self, gift: GuardedConnection | Slot, waiter: Waiter, deadline: Deadline
    ) -> GuardedConnection:
        """Dial in a slot, or make sure of an idle connection; else wait for another one."""
        while True:
            if isinstance(gift, Slot):
                made = self._dial(gift, deadline)
                if made is not None:
                    return made
                # Still without a connection, it is freed; else it is kept, and not ours.
                mine = gift if gift.state is SlotState.CONNECTING else None
                gift = self._queue(waiter, deadline, mine)
            elif self._is_fresh(gift) or self._is_alive(gift, deadline):
                return gift
            else:
                gift = self._queue(waiter, deadline, self._retire(gift))

    def _retire(self, connection: GuardedConnection) -> Slot:
        """Close an idle connection that proved dead; return the slot, to be freed."""
        slot = connection.slot
        assert slot is not None
        connection.retire()
        return slot

    def _dial(self, slot: Slot, deadline: Deadline) -> GuardedConnection | None:
        """Make a connection for a caller in a slot that was opened for it.

        None: back into the queue, with the slot. The server takes no more of them, and one
        that is there will do; or the pool was paused meanwhile.
        """
        try:
            connection = self._make(slot, deadline)
        except BaseException as error:
            if isinstance(error, PoolUnavailableError) and self._can_do_without(slot):
                return None
            self._free(slot, end=_end_of(error))
            raise
        return connection if self._lend(connection, slot) else None

    def _lend(self, connection: GuardedConnection, slot: Slot) -> bool:
        """Count a new connection as lent; keep it instead, if the pool was paused."""
        with self._lock:
            is_lent = not self._ledger.is_paused
            if is_lent:
                self._ledger.counters.add_end("acquired")
        if not is_lent:
            self._take_in(connection, slot)
        return is_lent

    def _can_do_without(self, slot: Slot) -> bool:
        """Tell whether the server is full, and a connection will come back."""
        with self._lock:
            is_full = self._ledger.server_full.error is not None
            return is_full and any(other is not slot for other in self._ledger.slots())

    def _make(self, slot: Slot, deadline: Deadline) -> GuardedConnection:
        """Make a connection in a slot; the caller frees it when that fails."""
        connection = guarded(self.connection_class)(**self.connection_kwargs)
        connection.slot = slot
        connection.home = self._ref
        self._open(connection, slot, deadline.at_least(DIAL_AT_LEAST))
        self._require_open(connection)
        return connection

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
            self._ledger.doubt(monotonic())
        if connection.read_only:
            self._demoted(connection)
        slot, deadline = connection.slot, Deadline(max(self.timeout, DIAL_AT_LEAST))
        if slot is None or connection.is_inherited:
            raise LeaseError("this connection belongs to another process, or was given back")
        ledger = self._ledger
        try:
            with self._lock:
                admitted = ledger.circuit.admits(monotonic())
                if admitted and connection.slot is slot:
                    ledger.connecting(slot)
            if not admitted:
                raise self._refused(Refusal.UNAVAILABLE)
            self._require_slot(connection, slot)
            self._open(connection, slot, deadline)
            self._require_slot(connection, slot)
        except BaseException:
            with self._lock:
                ledger.not_connecting(slot.key)
                ledger.serve(monotonic())
            raise
        finally:
            self._settle()

    def _require_slot(self, connection: GuardedConnection, slot: Slot) -> None:
        """Refuse a connection whose lease another thread has ended meanwhile.

        Its slot is free by then, and a socket in it would be one too many.
        """
        if connection.slot is not slot:
            connection.retire()
            raise LeaseError(
                f'the lease of "{self.alias}" was ended by another thread', alias=self.alias
            )

    def _open(self, connection: GuardedConnection, slot: Slot, deadline: Deadline) -> None:
        """Dial under the deadline and enter in the books how that ended."""
        ledger = self._ledger
        began = monotonic()
        slot.connection = weakref.ref(connection)  # a fork meanwhile: the child closes it, too
        connection.generation = ledger.generation
        try:
            connection.open(deadline)
        except BaseException as error:
            self._dial_failed(connection, slot, error, deadline.at - began)
            raise
        with self._lock:
            now = monotonic()
            was_down = ledger.circuit.is_open
            ledger.connected(slot, now)
            ledger.counters.created += 1
            ledger.counters.create_seconds += now - began
            ledger.serve(now)
        self._settle()
        if was_down:
            logger.warning("%s: Redis is reached again", self.alias)

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
                raise refusals.unavailable(stats, clean, is_full=verdict is Verdict.FULL)
            if clean is not error:
                raise clean from clean.__cause__
        finally:
            del clean  # it refers to this frame by now, and a cycle would keep the slot

    def _enter_failure(self, slot: Slot, error: BaseException, verdict: Verdict) -> PoolStats:
        """Tell the books; return the numbers as they were before."""
        ledger = self._ledger
        kept = without_traceback(error)  # made here: copying runs code that is not ours
        with self._lock:
            now = monotonic()
            stats = ledger.stats()
            was_down = ledger.circuit.is_open
            ledger.failed(slot, verdict, kept, now)
            is_down = ledger.circuit.is_open
        self._settle()
        if is_down and not was_down:
            logger.warning(
                "%s: Redis cannot be reached; until a probe succeeds, callers are told at once: %s",
                self.alias,
                error,
            )
        return stats

    def _is_fresh(self, connection: GuardedConnection) -> bool:
        """Tell whether a connection was in use a moment ago, and nothing broke since."""
        slot = connection.slot
        assert slot is not None
        is_current = connection.generation == self._ledger.generation
        return is_current and slot.taken_at < slot.fresh_until

    def _is_alive(self, connection: GuardedConnection, deadline: Deadline) -> bool:
        """Look at an idle connection; ask the server, too, where a look is not enough.

        It is not if others broke since its last use, or that was long ago.
        """
        slot, ledger = connection.slot, self._ledger
        assert slot is not None
        if (
            connection.generation != ledger.generation
            or self.life.is_too_long(slot.idle_for)
            or slot.taken_at >= slot.expires_at
            or not looks_alive(connection)
        ):
            return False
        in_doubt = slot.idle_since < ledger.doubted_at
        if not in_doubt and not self.life.is_to_be_asked(slot.idle_for):
            return True
        patience = min(deadline.remaining() / 2, ANSWER_WITHIN)
        if answers(connection, Deadline(patience)):
            return True
        if patience >= DIAL_AT_LEAST:  # it had the time to answer, and speaks for the others
            # The taker would get those that idle longer one after the other, and spend its
            # whole timeout asking.
            last_used = slot.idle_since
            self._discard_each(lambda: ledger.take_unused_since(last_used))
        return False


def _end_of(error: BaseException) -> str:
    """Name the counter for a request whose dial ended with `error`."""
    if isinstance(error, PoolUnavailableError):
        return "unavailable"
    if isinstance(error, PoolExhaustedError):
        return "timed_out"
    if isinstance(error, PoolClosedError):
        return "closed"
    return "failed" if isinstance(error, Exception) else "cancelled"
