"""What the books keep for those who are refused: they are many, so they shall be cheap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..stats import PoolStats, totals_of
from .comeback import Comeback
from .records import HELD
from .report import Reported

if TYPE_CHECKING:
    from .ledger import Ledger

__all__ = ["Look", "Refusing"]

# Seconds that the sums over all slots are good for: for hundreds of them that takes longer
# than all the rest of a refusal.
_GOOD_FOR = 0.05


class Look(NamedTuple):
    """A pool as one who is refused finds it, and the seconds until there is room."""

    stats: PoolStats
    wait: float


class Refusing:
    """The last sums, the holds of late, the last report. Called under the pool's lock."""

    __slots__ = ("_read_at", "_totals", "comeback", "reported")

    def __init__(self) -> None:
        self.reported: Reported = Reported()
        self.comeback: Comeback = Comeback()
        self._totals: dict[str, Any] = {}
        self._read_at = 0.0

    def glance(self, ledger: Ledger, sizes: dict[str, Any], now: float) -> PoolStats:
        """Return these sizes, with totals that may be a few milliseconds old."""
        if not self._totals or not 0.0 <= now - self._read_at < _GOOD_FOR:
            self._read(ledger, now)
        return PoolStats(**self._totals, **sizes)

    def refuse(self, ledger: Ledger, sizes: dict[str, Any], now: float) -> Look:
        """Look for one who is refused, and count on it to come back."""
        stats = self.glance(ledger, sizes, now)
        # Where the server takes no more of them, those that there are do the work.
        is_full = ledger.server_full.error is not None
        connections = stats.in_use if is_full else stats.max_connections
        return Look(stats, self.comeback.book(now, stats.waiting, connections))

    def _read(self, ledger: Ledger, now: float) -> None:
        stats = ledger.stats()
        self._totals, self._read_at = totals_of(stats), now
        ages = [now - slot.taken_at for slot in ledger.slots() if slot.state is HELD]
        self.comeback.learn(now, stats.released, stats.hold_seconds, ages)
