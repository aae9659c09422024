"""The upkeep of a pool, as far as nobody waits for it: resized, drained, paused, looked through."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..books.records import Refusal, Slot, SlotState
from ..books.report import describe
from ..config import check_pool_arguments
from ..deadline import Deadline
from .outcomes import Outcomes

if TYPE_CHECKING:
    from ..wire.account import Account

__all__ = ["LOOK_FOR", "Upkeep"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

# Seconds that there are to fill up in, at least: callers with timeout=0 need it most.
FILL_AT_LEAST = 1.0

# Seconds that a look may take, for where the server is now: others wait for their rounds.
LOOK_FOR = 1.0


class Upkeep(Outcomes):
    """The part of the pool that its operators use."""

    min_idle: int
    housekeeping_interval: float | None

    @property
    def is_closed(self) -> bool:
        """Tell whether `close()` was called."""
        return self._ledger.is_closed

    @property
    def round_every(self) -> float | None:
        """Seconds between two rounds of the housekeeper; None for none."""
        interval = self.housekeeping_interval
        if interval is None or self._ledger.server is None:
            return interval
        # Somebody knows where the server is, and is asked whether it still is there.
        looks_every: float = self.connection_class.looks_every
        return min(interval, looks_every)

    def resize(self, max_connections: int) -> None:
        """Change how many connections there may be.

        More: callers in the queue have them at once. Fewer: idle ones close now, those in
        use when they come back; until then there are more than the new bound, never more
        than the old one. Raises `ConfigError` for an impossible number.
        """
        check_pool_arguments(max_connections=max_connections, min_idle=self.min_idle)
        self._notice_fork()
        ledger = self._ledger
        with self._lock:
            self.max_connections = ledger.max_connections = max_connections
            ledger.watch_bounds()
            ledger.serve(monotonic())
        self._discard_each(ledger.take_surplus)
        self._settle()

    def drain(self) -> None:
        """Renew every connection: idle ones close now, those in use when they come back."""
        self._begin_generation("drained")

    def pause(self) -> None:
        """Lend nothing until `resume()`, say while the server is being replaced.

        Those who hold a connection go on; callers wait in the queue, within `timeout`.
        """
        self._notice_fork()
        with self._lock:
            self._ledger.pause()

    def resume(self) -> None:
        """Lend again, first to those who have waited longest."""
        self._notice_fork()
        with self._lock:
            self._ledger.resume(monotonic())
        self._settle()

    def _begin_round(self) -> None:
        """Do what of a housekeeper's round needs no dial."""
        self._notice_fork()
        self._settle()
        self._discard_each(self._ledger.take_outdated)
        self._discard_each(lambda: self._ledger.take_aged(monotonic()))
        self._report_leaks()

    def _wanted(self, count: int | None) -> int:
        """Return how many connections `warm_up(count)` is to have idle."""
        self._notice_fork()
        wanted = self.min_idle if count is None else count
        check_pool_arguments(
            min_idle=wanted, max_connections=self.max_connections, max_idle=self.life.max_idle
        )
        return wanted

    def _time_to_fill(self) -> Deadline:
        return Deadline(max(self.timeout, FILL_AT_LEAST))

    def _slot_to_fill(self, wanted: int) -> Slot | None:
        ledger = self._ledger
        with self._lock:
            now = monotonic()
            if ledger.is_closed and wanted:
                refusal = Refusal.CLOSED
            elif len(ledger.idle) >= wanted or ledger.queue:
                return None
            elif ledger.may_connect(now):
                return ledger.open_slot(now)
            elif ledger.circuit.is_open:
                refusal = Refusal.UNAVAILABLE
            else:
                return None
        raise self._refused(refusal)

    def _slot_to_probe(self) -> Slot | None:
        """Return a slot to look for the server in, if it is down, and due to be looked for."""
        ledger = self._ledger
        with self._lock:
            now = monotonic()
            if not ledger.circuit.is_due(now):
                return None
            if ledger.has_room and not ledger.is_closed and not ledger.is_paused:
                return ledger.open_slot(now)
            # Those who hold connections will dial again, and are not to be kept from it.
            ledger.circuit.is_promised = False
            return None

    def _take_to_ask(self) -> Any:
        """Take an idle connection, for a question that is nobody's; None where there is none."""
        self._settle()
        with self._lock:
            return self._ledger.take_to_ask()

    def _take_asked(self, connection: Account, slot: Slot) -> None:
        """Keep a connection that has answered."""
        self._take_in(connection, slot, connection.dirt())

    def _report_leaks(self) -> None:
        """Log who has had a connection for longer than a lease should be."""
        threshold = self.leak_detection_threshold
        if threshold is None:
            return
        ledger = self._ledger
        with self._lock:
            now = monotonic()
            late = [slot for slot in ledger.slots() if _note_late(slot, now, threshold)]
            ledger.counters.leaked += len(late)
        for slot in late:
            story = describe(slot, now)
            if slot.taken_at == slot.late_since:  # else it may be the next holder's
                logger.warning("%s: out for longer than %g s: %s", self.alias, threshold, story)


def _note_late(slot: Slot, now: float, threshold: float) -> bool:
    """Note that a slot's holder keeps it for too long; False if not, or if that is known.

    It may come back and be lent anew meanwhile. So the state is read first, and then, once,
    since when: of two holders it is then the later one's, and not too long ago.
    """
    if slot.state is not SlotState.HELD:
        return False
    taken_at = slot.taken_at
    if slot.late_since == taken_at or now - taken_at <= threshold:
        return False
    slot.late_since = taken_at
    return True
