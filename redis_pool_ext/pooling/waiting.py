"""The way out when nothing is idle: a thread waits its turn, before a deadline."""

from __future__ import annotations

from time import monotonic

from ..books.records import Slot, Waiter
from ..connection import GuardedConnection
from .queueing import Queueing

__all__ = ["Waiting"]

# Seconds between two looks of the waiters, together, at what nobody was woken for.
GLANCE = 0.05

# Seconds between two looks of one of them, who may have come at the same time as all others;
# longer where so many wait that they would look more than `LOOKS` times a second.
SELDOM = 1.0
LOOKS = 400


class Waiting(Queueing):
    """The part of the pool that lets threads wait their turn."""

    def _queue(self, waiter: Waiter, instead_of: Slot | None = None) -> GuardedConnection | Slot:
        """Wait for a connection, or for a free slot to dial in.

        A waiter that has had its turn, and got nothing good, goes back to where it was;
        a slot that it still has (`instead_of`) is freed in the same step.
        """
        if self._lock._is_owned():  # type: ignore[attr-defined]
            raise self._asked_inside()
        waiter.gift = None  # no good: whoever walks away now must not give it back
        began = monotonic()
        try:
            if self._join_queue(waiter, began, instead_of):
                self._wait(waiter, began)
            if waiter.gift is None:
                self._leave_queue(waiter)
        except BaseException:
            self._walk_away(waiter)
            raise
        if waiter.gift is None:
            self._refuse(waiter)
        gift: GuardedConnection | Slot = waiter.gift
        return gift

    def _wait(self, waiter: Waiter, began: float) -> None:
        """Sleep until there is a gift or a refusal, or until its deadline; count that.

        One look at what nobody was woken for serves all who wait, so each of many looks
        more seldom.
        """
        now = began
        try:
            while now < waiter.at:
                left, pause = waiter.at - now, self._pause()
                if waiter.wake.acquire(True, pause if pause < left else left):
                    break
                self._look_for_who_waits()
                if waiter not in self._ledger.queue:
                    break  # and whoever meant to wake it was struck
                now = monotonic()
        finally:  # also for one whom an exception takes out of the queue
            self._count_wait(waiter, monotonic() - began)

    def _pause(self) -> float:
        """Return the seconds until a waiter's next look."""
        waiting = len(self._ledger.queue)
        pause = waiting * GLANCE
        return pause if pause <= SELDOM else max(SELDOM, waiting / LOOKS)
