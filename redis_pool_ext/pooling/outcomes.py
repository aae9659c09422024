"""What the books make of a dial: all of it that does not wait."""

from __future__ import annotations

import logging
import weakref
from time import monotonic
from typing import Any

from ..books import refusals
from ..books.faults import explained
from ..books.records import Refusal, Slot, SlotState
from ..books.refusing import Look
from ..books.verdict import (
    REFUSED,
    UNREACHABLE,
    Verdict,
    judge,
    with_advice,
    without_secrets,
    without_traceback,
)
from ..connecting.tls import Contexts
from ..deadline import Deadline
from ..errors import LeaseError, PoolUnavailableError
from ..observing import observers, tell
from ..wire.account import Account
from .following import Following
from .telling import end_of
from .unreached import say_unreached

__all__ = ["DIAL_AT_LEAST", "Outcomes", "still_dialling"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

# Seconds that a dial has in any case: with timeout=0 a caller waits for nobody, but a
# connection takes its time to make.
DIAL_AT_LEAST = 0.05


class Outcomes(Following):
    """The part of the pool that enters into the books how dials end."""

    connection_kwargs: dict[str, Any]
    contexts: Contexts

    # -- a dial for a caller ---------------------------------------------------------------

    def _prepare(self, connection: Any, slot: Slot) -> None:
        """Tell a new connection whose it is."""
        connection.slot = slot
        connection.home = self._ref
        connection.contexts = self.contexts

    def _begin_dial(self, connection: Account, slot: Slot) -> float:
        """Note that a dial begins, and return the moment."""
        slot.connection = weakref.ref(connection)  # a fork meanwhile: the child closes it, too
        connection.generation = self._ledger.generation
        return monotonic()

    def _dialled(self, connection: Account, slot: Slot, began: float) -> None:
        """Enter a dial that ended well."""
        self._follow(connection)
        ledger = self._ledger
        with self._lock:
            now = monotonic()
            was_down = ledger.circuit.is_open
            ledger.connected(slot, now)
            if connection.keep_for is not None:
                slot.expires_at = min(slot.expires_at, now + connection.keep_for)
            took = now - began
            ledger.counters.add_dial(took)
            ledger.serve(now)
        self._settle()
        if observers:
            tell(lambda each: each.made(self, took))
        if was_down:
            logger.warning("%s: Redis is reached again", self.alias)

    def _dial_failed(
        self,
        connection: Account,
        slot: Slot,
        error: BaseException,
        began: float,
        deadline: Deadline,
    ) -> None:
        """Enter a failed dial in the books; raise what the caller shall see in its place, if any.

        One that `began` shortly before its caller's deadline says nothing about the server.
        """
        clean = self._told(connection, error)
        try:
            had = deadline.at - began
            verdict = judge(clean, heard=connection.heard, had=had, enough=self.timeout)
            look = self._enter_failure(slot, clean, verdict)
            if verdict is Verdict.CUT_SHORT:
                raise refusals.exhausted(Refusal.TIMED_OUT, look, deadline.seconds) from clean
            if isinstance(clean, UNREACHABLE) and not isinstance(clean, REFUSED):
                raise refusals.unavailable(look, clean, is_full=verdict is Verdict.FULL)
        finally:
            del clean  # it refers to this frame by now, and a cycle would keep the slot

    def _told(self, connection: Account, error: BaseException) -> BaseException:
        """Return what may be told of a failed dial, and what to do about it where that is known."""
        fault = explained(
            error,
            is_tls=connection.is_tls,
            is_file=hasattr(connection, "path"),
            has_met=connection.met_silence,
        )
        kwargs = self.connection_kwargs
        secrets = (kwargs.get("password"), kwargs.get("username"), *connection.said)
        return with_advice(without_secrets(fault, secrets), self.alias)

    def _enter_failure(self, slot: Slot, error: BaseException, verdict: Verdict) -> Look:
        """Tell the books; return how the pool looked before."""
        ledger = self._ledger
        kept = without_traceback(error)  # made here: copying runs code that is not ours
        with self._lock:
            now = monotonic()
            look = ledger.refuse(now)
            was_down = ledger.circuit.is_open
            ledger.failed(slot, verdict, kept, now)
            is_down, probe_in = ledger.circuit.is_open, ledger.circuit.next_probe - now
        if is_down and self._will_probe(probe_in):
            # Of several failures at once the last one counts; a caller in between may probe.
            ledger.circuit.is_promised = True
        self._settle()
        if observers:
            tell(lambda each: each.not_made(self))
        if is_down and not was_down:
            logger.warning(
                "%s: Redis cannot be reached; until a probe succeeds, callers are told at once: %s",
                self.alias,
                error,
            )
        elif not is_down and verdict is Verdict.DOWN and not ledger.counters.has_dialled:
            say_unreached(self.alias, error)
        return look

    def _will_probe(self, seconds: float) -> bool:
        """See that somebody looks for the server after so many seconds; False: no one will."""
        return False

    def _lend(self, connection: Account, slot: Slot) -> bool:
        """Count a new connection as lent; keep it instead, if the pool was paused."""
        with self._lock:
            is_lent = not self._ledger.is_paused
            if is_lent:
                self._ledger.counters.add_end("acquired")
        if not is_lent:
            self._take_in(connection, slot)
        return is_lent

    def _fail(self, slot: Slot, error: BaseException) -> bool:
        """Free the slot of a failed dial; False if its caller is to queue with it, instead.

        The server takes no more connections then, and one that is there will do.
        """
        if isinstance(error, PoolUnavailableError) and self._can_do_without(slot):
            return False
        self._free(slot, end=end_of(error))
        return True

    def _can_do_without(self, slot: Slot) -> bool:
        """Tell whether the server is full, and a connection will come back."""
        with self._lock:
            is_full = self._ledger.server_full.error is not None
            return is_full and any(other is not slot for other in self._ledger.slots())

    def _require_open(self, connection: Account, slot: Slot) -> None:
        """Lend nothing from a pool that was closed during the dial, or to a child of a fork in it.

        The child's pool has begun anew, and this slot is in the parent's books.
        """
        if self._ledger.is_closed:
            connection.retire()
            raise self._refused(Refusal.CLOSED)
        if self._ledger.is_lost(slot):
            connection.retire()
            raise LeaseError(
                f'the process was forked while a connection of the pool "{self.alias}" was '
                "dialled; take another one in the child",
                alias=self.alias,
            )

    # -- a dial for a holder ---------------------------------------------------------------

    def _begin_to_reconnect(self, connection: Account) -> tuple[Slot, Deadline]:
        """Return the slot in which to dial again, and until when."""
        if connection.broken:
            self._ledger.doubt(monotonic())
        if connection.read_only:
            self._demoted(connection)
        slot = connection.slot
        if slot is None or connection.is_inherited:
            raise LeaseError("this connection belongs to another process, or was given back")
        deadline = Deadline(max(self.timeout, DIAL_AT_LEAST))
        return slot, deadline if connection.budget is None else connection.budget.cut(deadline)

    def _admit(self, connection: Account, slot: Slot) -> None:
        """Let a holder dial again, unless the circuit is open."""
        ledger = self._ledger
        with self._lock:
            admitted = ledger.circuit.admits(monotonic())
            if admitted and connection.slot is slot:
                ledger.connecting(slot)
        if not admitted:
            raise self._refused(Refusal.UNAVAILABLE)
        self._require_slot(connection, slot)

    def _reconnect_failed(self, slot: Slot) -> None:
        with self._lock:
            self._ledger.not_connecting(slot.key)
            self._ledger.serve(monotonic())

    def _require_slot(self, connection: Account, slot: Slot) -> None:
        """Refuse a connection whose lease somebody else has ended meanwhile.

        Its slot is free by then, and a socket in it would be one too many.
        """
        if connection.slot is not slot:
            connection.retire()
            raise LeaseError(
                f'the lease of "{self.alias}" was ended by another thread', alias=self.alias
            )


def still_dialling(slot: Slot) -> Slot | None:
    """Return a slot that has no connection yet, to be freed; one that has is kept by it."""
    return slot if slot.state is SlotState.CONNECTING else None
