"""The way out when nothing is idle: the queue, in order of arrival, before a deadline."""

from __future__ import annotations

import logging
from time import monotonic

from . import refusals
from .connection import GuardedConnection
from .deadline import Deadline
from .errors import LeaseError, RedisPoolError
from .records import Refusal, Slot, SlotState, Waiter
from .report import holders
from .returning import Returning

__all__ = ["Waiting"]

logger = logging.getLogger("redis_pool_ext")

_EXHAUSTED = frozenset({Refusal.TIMED_OUT, Refusal.QUEUE_FULL})

# Seconds between two looks of the waiters, together, at what nobody was woken for.
GLANCE = 0.05

# Seconds between two looks of one of them, who may have come at the same time as all others;
# longer where so many wait that they would look more than `LOOKS` times a second.
SELDOM = 1.0
LOOKS = 400


class Waiting(Returning):
    """The part of the pool that lets callers wait their turn, and refuses them."""

    def _queue(
        self, waiter: Waiter, deadline: Deadline, instead_of: Slot | None = None
    ) -> GuardedConnection | Slot:
        """Wait for a connection, or for a free slot to dial in.

        A waiter that has had its turn, and got nothing good, goes back to where it was;
        a slot that it still has (`instead_of`) is freed in the same step.
        """
        if self._lock._is_owned():  # type: ignore[attr-defined]
            raise LeaseError(
                "a signal handler or finalizer asked for a connection while its thread was "
                f'inside the pool "{self.alias}"; do it outside of the handler',
                alias=self.alias,
            )
        waiter.gift = None  # no good: whoever walks away now must not give it back
        began = monotonic()
        try:
            # Not past the deadline, or a caller with timeout=0 would come too late for
            # what is there to be taken.
            now = began if began < deadline.at else deadline.at
            if self._join_queue(waiter, now, instead_of):
                self._wait(waiter, deadline, began)
            if waiter.gift is None:
                self._leave_queue(waiter)
        except BaseException:
            self._walk_away(waiter)
            raise
        if waiter.gift is not None:
            return waiter.gift
        refusal = waiter.refusal or Refusal.TIMED_OUT
        self._count_end(refusal.value)
        if refusal in _EXHAUSTED:
            self._report_exhaustion()
        raise self._refused(refusal)

    def _wait(self, waiter: Waiter, deadline: Deadline, now: float) -> None:
        """Sleep until there is a gift or a refusal, or until the deadline; count that.

        Wakes now and then for what nobody was woken for: what finalizers have left behind,
        and what was put on the shelf by a caller whom an exception struck before it looked
        at the queue. One look serves all who wait, so each of many looks more seldom.
        """
        began = now
        while now < deadline.at and not self._sleep(waiter, deadline.at - now):
            self._settle()
            with self._lock:  # also for a server that was full, and may have room again
                self._ledger.serve(monotonic())
            now = monotonic()
        waited = monotonic() - began
        gift = waiter.gift
        if gift is None:
            with self._lock:
                self._ledger.counters.add_wait(waited, waiter.waited)
        else:
            # Whoever gave it has settled that under the lock, and the slot is this caller's
            # by now, and so is its tally: the one who runs next need not take the lock again.
            slot = gift if isinstance(gift, Slot) else gift.slot
            assert slot is not None
            slot.tally.add_wait(waited, waiter.waited)
        waiter.waited += waited

    def _sleep(self, waiter: Waiter, seconds: float) -> bool:
        """Sleep for so long, or until the next look; tell whether somebody has woken it."""
        pause = self._pause()
        return waiter.wake.acquire(True, pause if pause < seconds else seconds)

    def _pause(self) -> float:
        """Return the seconds until a waiter's next look."""
        waiting = len(self._ledger.queue) or 1
        return max(min(GLANCE * waiting, SELDOM), waiting / LOOKS)

    def _join_queue(self, waiter: Waiter, now: float, instead_of: Slot | None) -> bool:
        """Queue up, and tell whether there is anything to wait for."""
        ledger = self._ledger
        with self._lock:
            if instead_of is not None:
                ledger.give_up(instead_of)
            is_new = waiter.ticket is None
            ledger.queue_up(waiter)
            if ledger.idle or ledger.has_room:
                ledger.serve(now)
            if waiter.gift is None:
                waiter.refusal = ledger.refusal(now, is_new)
        self._settle()
        return waiter.gift is None and waiter.refusal is None

    def _leave_queue(self, waiter: Waiter) -> None:
        """Wait no longer; under the lock, so the wait cannot end both ways."""
        with self._lock:
            self._ledger.queue.pop(waiter, None)
        self._settle()

    def _walk_away(self, waiter: Waiter) -> None:
        """Leave the queue for good, passing on what was given at the last moment."""
        self._leave_queue(waiter)
        gift = waiter.gift
        if isinstance(gift, Slot):
            self._free(gift, end="cancelled")
        elif gift is not None:
            self.release(gift)
        else:
            self._count_end("cancelled")

    def _refused(self, refusal: Refusal) -> RedisPoolError:
        """Return the error for a caller who gets nothing."""
        ledger = self._ledger
        with self._lock:
            stats = ledger.stats()
            cause, probe_in = ledger.circuit.last_error, ledger.circuit.next_probe - monotonic()
            full = ledger.server_full.error
        if refusal is Refusal.CLOSED:
            return refusals.closed(stats)
        if refusal is Refusal.UNAVAILABLE:
            return refusals.unavailable(stats, cause, probe_in=max(probe_in, 0.001))
        return refusals.exhausted(refusal, stats, self.timeout, full)

    def _report_exhaustion(self) -> None:
        """Log, once in a while, who has the connections that others wait for."""
        ledger = self._ledger
        with self._lock:
            now = monotonic()
            before = ledger.reported.is_due(now)
            if before is None:
                return
            stats = ledger.stats()
            held = [slot for slot in ledger.slots() if slot.state is SlotState.HELD]
        logger.warning(
            "%s: %s (%s), %d refusals since the last report; held by: %s",
            self.alias,
            "paused" if stats.is_paused else "exhausted",
            stats.summary(),
            before + 1,
            holders(held, now),
        )
