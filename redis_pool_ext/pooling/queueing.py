"""The queue, as far as nobody has to wait for it: joining, leaving, being refused."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

from ..books import refusals
from ..books.records import Refusal, Slot, SlotState, Waiter
from ..books.refusing import Look
from ..books.report import holders
from ..errors import LeaseError, RedisPoolError
from .telling import Telling

if TYPE_CHECKING:
    from ..wire.account import Account

__all__ = ["Queueing"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

_EXHAUSTED = frozenset({Refusal.TIMED_OUT, Refusal.QUEUE_FULL, Refusal.SHED})


class Queueing(Telling):
    """The part of the pool that puts callers into the queue, and refuses them."""

    def _asked_inside(self) -> LeaseError:
        """Return the error for a caller that must not wait: it would wait for itself."""
        return LeaseError(
            "a signal handler or finalizer asked for a connection while its thread was "
            f'inside the pool "{self.alias}"; do it outside of the handler',
            alias=self.alias,
        )

    def _join_queue(self, waiter: Waiter, now: float, instead_of: Slot | None) -> bool:
        """Queue up, and tell whether there is anything to wait for."""
        ledger, was_stale = self._ledger, False
        with self._lock:
            if instead_of is not None:
                was_stale = instead_of.state is SlotState.HELD
                ledger.give_up(instead_of)
            has_to_wait = ledger.line_up(waiter, now)
        if ledger.graveyard or ledger.returned:
            self._settle()
        if was_stale:
            self._tell_closed("stale")
        return has_to_wait

    def _look_for_who_waits(self) -> None:
        """Do what nobody was woken for.

        Finalizers leave things behind, a caller whom an exception strikes may have put a
        connection on the shelf without a look at the queue, and a server that was full may
        have room again.
        """
        self._settle()
        with self._lock:
            self._ledger.serve(monotonic())

    def _count_wait(self, waiter: Waiter, seconds: float) -> None:
        """Count what a caller has waited, served or not."""
        gift, before = waiter.gift, waiter.waited
        waiter.waited = before + seconds
        if gift is None:
            with self._lock:
                self._ledger.counters.add_wait(seconds, before)
        else:
            # Whoever gave it has settled that under the lock, and the slot is this caller's
            # by now, and so is its tally: the one who runs next need not take the lock again.
            (gift if type(gift) is Slot else gift.slot).tally.add_wait(seconds, before)

    def _leave_queue(self, waiter: Waiter) -> None:
        """Wait no longer; under the lock, so the wait cannot end both ways."""
        with self._lock:
            self._ledger.queue.leave(waiter)
        self._settle()

    def _walk_away(self, waiter: Waiter) -> None:
        """Leave the queue for good, passing on what was given at the last moment."""
        self._leave_queue(waiter)
        gift, waiter.end = waiter.gift, "cancelled"
        if isinstance(gift, Slot):
            self._free(gift, end="cancelled")
        elif gift is not None:
            self._pass_on(gift)
        else:
            self._count_end("cancelled")

    def _pass_on(self, connection: Account) -> None:
        """Give back what its taker never came to use: it was neither acquired nor held."""
        slot = connection.slot
        if slot is None or connection.is_inherited or self._lock._is_owned():  # type: ignore[attr-defined]
            self.take_back(connection)
            return
        with self._lock:
            self._ledger.counters.add_end("cancelled")
            if not self._ledger.is_lost(slot):
                self._ledger.counters.acquired -= 1  # counted as it was given
        self._take_in(connection, slot, connection.dirt())

    def _refuse(self, waiter: Waiter) -> NoReturn:
        """Count a caller who was given nothing until its deadline, and raise why."""
        refusal = waiter.refusal or Refusal.TIMED_OUT
        waiter.end = refusal.value
        self._count_end(refusal.value)
        if refusal in _EXHAUSTED:
            self._report_exhaustion()
        raise self._refused(refusal, waiter.seconds)

    def _refused(self, refusal: Refusal, seconds: float = 0.0) -> RedisPoolError:
        """Return the error for a caller who gets nothing, within so many seconds."""
        ledger = self._ledger
        with self._lock:
            now = monotonic()
            look = ledger.refuse(now)
            cause, probe_in = ledger.circuit.last_error, ledger.circuit.next_probe - now
            full = ledger.server_full.error
        if refusal is Refusal.CLOSED:
            return refusals.closed(look.stats)
        if refusal is Refusal.UNAVAILABLE:
            return refusals.unavailable(look, cause, probe_in=max(probe_in, 0.001))
        return refusals.exhausted(refusal, look, seconds, full, self.terms.queue_target)

    def turn_away(self) -> Look:
        """Look for one who is refused elsewhere, and count on it to come back."""
        self._notice_fork()
        with self._lock:
            return self._ledger.refuse(monotonic())

    def _report_exhaustion(self) -> None:
        """Log, once in a while, who has the connections that others wait for."""
        ledger = self._ledger
        with self._lock:
            now = monotonic()
            before = ledger.refusing.reported.is_due(now)
            if before is None:
                return
            stats = ledger.glance(now)
            held = [slot for slot in ledger.slots() if slot.state is SlotState.HELD]
        logger.warning(
            "%s: %s (%s), %d refusal%s since the last report; held by: %s",
            self.alias,
            "paused" if stats.is_paused else "exhausted",
            stats.summary(),
            before + 1,
            "s" if before else "",
            holders(held, now),
        )
