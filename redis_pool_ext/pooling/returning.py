"""The way back: a connection is taken back, kept if clean, and handed to who waits.

Nothing here waits, so both pools have it: that of threads, and that of an event loop.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from contextlib import suppress
from time import monotonic
from typing import Any

from ..books.records import IDLE, Slot
from ..books.report import describe
from ..errors import LeaseError
from ..forks import here
from ..histogram import BOUNDS
from ..observing import observers, tell
from ..wire.account import Account
from .bookkeeping import Books

__all__ = ["Returning"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

# Seconds that a generation lasts at least, when it is READONLY that ends it.
GENERATION_AT_LEAST = 1.0


class Returning(Books):
    """The part of the pool that takes connections back."""

    def take_back(self, connection: Any) -> None:
        """Take a connection back; it is kept if clean, closed if not. Never waits.

        Raises `LeaseError` for a connection that is not out: the books stay as they are.
        """
        slot = getattr(connection, "slot", None)
        if (
            slot is None
            or connection.home is not self._ref
            or not here[0]
            or self._lock._is_owned()  # type: ignore[attr-defined]  # threading.Condition asks, too
        ):
            self._release_oddly(connection)
            return
        ledger = self._ledger
        if ledger.graveyard or ledger.returned:
            self._settle()
        now = monotonic()
        # What follows is Ledger.claim(), dirt(), Ledger._excess() and Ledger.shelve(), in one
        # piece: each request comes by here, and four calls are a third of the whole. A new
        # reason in one of these belongs here, too.
        try:
            ledger.lent.remove(slot.key)
        except KeyError:
            self._release_in_vain(connection, slot)
            return
        tally, held = slot.tally, now - slot.taken_at
        tally.holds[bisect_left(BOUNDS, held)] += 1
        tally.hold_seconds += held
        if (
            connection._sock is None
            or connection.pending
            or connection.marks
            or connection.read_only
            or connection._should_reconnect
            or connection.generation != ledger.generation
            or now >= slot.expires_at
            or ledger.takes_with_care
            or slot.late_since is not None
        ):
            self._release_with_care(connection, slot, held)
            return
        slot.state = IDLE
        slot.holder = connection.last = None
        slot.idle_since = now
        slot.fresh_until = now + ledger.fresh_for
        ledger.idle.append(connection)
        if ledger.queue or ledger.takes_with_care or connection.generation != ledger.generation:
            self._hand_over(connection)

    def _release_oddly(self, connection: Any) -> None:
        """Release what is not ours, not here, not now, or was released before."""
        if getattr(connection, "home", None) is not self._ref:
            raise LeaseError(f'{connection!r} is not of the pool "{self.alias}"', alias=self.alias)
        if connection.is_inherited:
            connection.retire()  # the parent's socket: close our copy, touch no books
        elif self._lock._is_owned():  # type: ignore[attr-defined]
            self._ledger.returned.append(connection)
        else:
            raise self._released_twice()

    def _release_in_vain(self, connection: Account, slot: Slot) -> None:
        """Refuse what is not out; but close what was collected, and is back with a finalizer."""
        with self._lock:
            is_lost = self._ledger.is_lost(slot)
        if not is_lost:
            raise self._released_twice()
        connection.retire()

    def _release_with_care(self, connection: Account, slot: Slot, held: float) -> None:
        # The housekeeper may have meant the one before, and said it in the moment after.
        if slot.late_since == slot.taken_at:
            self._returned_late(slot)
        slot.late_since = None
        self._take_in(connection, slot, connection.dirt())
        if observers:
            tell(lambda each: each.returned(self, held))

    def _hand_over(self, connection: Account) -> None:
        """Give what was just put on the shelf to who waits; close it, if it came too late.

        Who queues up looks at the shelf, who comes back at the queue: one sees the other.
        So with those who end a generation, or make the pool smaller.
        """
        ledger = self._ledger
        is_outdated = ledger.takes_with_care or connection.generation != ledger.generation
        with self._lock:
            ledger.serve(monotonic())
        if is_outdated:
            self._discard_each(ledger.take_outdated)
            self._discard_each(ledger.take_surplus)

    def _take_in(self, connection: Account, slot: Slot, dirt: str | None = None) -> None:
        """Keep a connection that nobody holds, or close it."""
        with self._lock:
            reason = self._ledger.take_in(connection, slot, monotonic(), dirt)
        if reason is not None:
            self._discard(connection, reason)
            if connection.read_only:  # whatever else it is closed for
                self._demoted(connection)

    def _released_twice(self) -> LeaseError:
        with self._lock:
            self._ledger.counters.double_releases += 1
        return LeaseError(
            f'a connection of the pool "{self.alias}" was released twice; the second '
            "release is ignored",
            alias=self.alias,
        )

    def forfeit(self, connection: Account) -> None:
        """Take back a connection that another thread is in the middle of using."""
        slot = connection.slot
        if slot is not None:
            connection.forfeit()
            now = monotonic()
            held, is_out = now - slot.taken_at, self._ledger.claim(slot, now)
            self._free(slot, "forfeited")
            if is_out and observers:
                tell(lambda each: each.returned(self, held))

    def _returned_late(self, slot: Slot) -> None:
        """Complete the story of a lease that was reported for being out too long."""
        logger.warning("%s: returned late: %s", self.alias, describe(slot, monotonic()))

    def _demoted(self, connection: Account) -> None:
        """Leave a server that has become a replica: its name may mean another one by now.

        At most once in a while: a program that writes to a replica by mistake shall not
        have every connection dialled anew for each of its errors.
        """
        ledger = self._ledger
        with self._lock:
            now = monotonic()
            is_news = connection.generation == ledger.generation
            is_due = is_news and now - ledger.generation_since > GENERATION_AT_LEAST
            if is_due:
                ledger.generation_since = now  # claimed: of many at once, one does it
        if is_due:
            logger.warning("%s: the server refuses writes; all connections are renewed", self.alias)
            self._begin_generation("drained")

    def _settle(self) -> None:
        """Act on what finalizers left behind; runs after each use of the lock."""
        ledger = self._ledger
        if not (ledger.graveyard or ledger.returned):
            return
        if self._lock._is_owned():  # type: ignore[attr-defined]
            return  # the one whose use of the lock was interrupted will do it
        while ledger.graveyard:
            with self._lock:
                buried = ledger.bury()
                ledger.serve(monotonic())
            self._tell_closed("lost", buried)
        late: list[Account] = []  # first: take_back() settles what it finds there
        with suppress(IndexError):
            while True:
                late.append(ledger.returned.popleft())
        while late:
            self._release_late(late.pop())

    def _release_late(self, connection: Account) -> None:
        """Take back what a finalizer released; its mistake is not this caller's."""
        try:
            self.take_back(connection)
        except LeaseError:
            logger.warning("%s: a finalizer released a connection twice", self.alias)
