"""What can be seen of a pool beside its numbers: who holds it, its last minutes, its right size."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

from ..books.records import HELD, IDLE, Slot
from ..sizing.advice import TARGET, Advice, advise
from ..sizing.history import SECONDS, History, kind_of, name_of
from ..sizing.samples import Sample, Window
from ..stats import PoolStats
from . import housekeeper
from .bookkeeping import Books

__all__ = ["Holder", "Looking"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has a connection, for how many seconds by now, and what it was last used for.

    `kind` is what it has in common with its like, a view's name say; `site` where it was
    taken, if `leak_detection_threshold` is set.
    """

    name: str
    kind: str
    seconds: float
    last_command: str | None
    site: str | None

    @classmethod
    def of(cls, slot: Slot, now: float) -> Holder:
        """Read a slot that is lent."""
        connection = slot.connection() if slot.connection is not None else None
        holder = slot.holder
        return cls(
            name=name_of(holder),
            kind=kind_of(holder),
            seconds=max(now - slot.taken_at, 0.0),
            last_command=connection.last_command if connection is not None else None,
            site=slot.site,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return asdict(self)


class Looking(Books):
    """The part of the pool that others look at."""

    history: History

    def holders(self) -> list[Holder]:
        """Return who has a connection right now, the one who has it longest first."""
        self._notice_fork()
        with self._lock:
            now = monotonic()
            held = [slot for slot in self._ledger.slots() if slot.state is HELD]
        held.sort(key=lambda slot: slot.taken_at)
        return [Holder.of(slot, now) for slot in held]

    def samples(self) -> list[Sample]:
        """Return the last minutes, a sample for each second, the newest last.

        They begin with the first dial; there are none with `housekeeping_interval=None`.
        """
        self._notice_fork()
        return list(self.history.samples)

    def window(self, seconds: float = 60.0) -> Window:
        """Return the last seconds, up to 300, in sum."""
        self._notice_fork()
        return self.history.window(seconds)

    def shares(self) -> dict[str, float]:
        """Return which kind of holder had how large a part of the last minutes' holding."""
        self._notice_fork()
        return self.history.shares()

    def heard_within(self, seconds: float) -> bool:
        """Tell whether a connection came back whole so lately, and none broke since.

        Then the server has answered, and need not be asked whether it is there.
        """
        self._notice_fork()
        with self._lock:
            ledger, since = self._ledger, monotonic() - seconds
            last = max((s.idle_since for s in ledger.slots() if s.state is IDLE), default=0.0)
            return last > max(since, ledger.doubted_at)

    def advice(self, target: float = TARGET) -> Advice:
        """Say which `max_connections` would let 99 of 100 wait for at most `target` seconds.

        Raises `ValueError` for a `target` below 0, or without end.
        """
        window = self.window(SECONDS)
        return advise(window, self.max_connections, target=target, shares=self.shares())

    # -- for the observer's thread: it only reads, and settles nothing -----------------------

    def look(self) -> tuple[list[Slot], int, int]:
        """Return who has a connection, how many have one or want one, and how many wait."""
        ledger = self._ledger
        with self._lock:
            held = [slot for slot in ledger.slots() if slot.state is HELD]
            waiting = len(ledger.queue)
            return held, len(held) + ledger.dialling + waiting, waiting

    def stats_and_used_since(self, moment: float) -> tuple[PoolStats, int]:
        """Return the numbers, and how many connections were out at some time since `moment`."""
        ledger = self._ledger
        with self._lock:
            stats = ledger.stats()
            used = [s for s in ledger.slots() if s.state is HELD or s.idle_since >= moment]
        return stats, len(used)

    def _observe(self) -> None:
        """See that somebody looks, now that there is a first dial."""
        housekeeper.observe(self.history)
