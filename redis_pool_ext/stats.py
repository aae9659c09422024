"""The pool's numbers: what it counts, and the frozen snapshot that it shows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from .histogram import BOUNDS, Histogram

__all__ = ["Counters", "PoolStats", "snapshot", "totals_of"]

_BUCKETS = len(BOUNDS) + 1


def _no_times() -> list[int]:
    return [0] * _BUCKETS


@dataclass(slots=True)
class Tally:
    """What one slot counts for itself: only who has its connection writes, without a lock.

    `waits` and `holds` have a number for each bucket of a `Histogram`; so `released` need
    not be counted beside them.
    """

    acquired: int = 0
    wait_seconds: float = 0.0
    wait_seconds_max: float = 0.0
    hold_seconds: float = 0.0
    waits: list[int] = field(default_factory=_no_times)
    holds: list[int] = field(default_factory=_no_times)

    def add_wait(self, seconds: float, before: float = 0.0) -> None:
        """Count the time that one caller stood in the queue, served or not.

        `before`: what was counted of it already, for one that had to go back there.
        """
        self.wait_seconds += seconds
        if before:  # it was not over yet
            self.waits[bisect_left(BOUNDS, before)] -= 1
            seconds += before
        self.waits[bisect_left(BOUNDS, seconds)] += 1
        if seconds > self.wait_seconds_max:  # noqa: PLR1730  max() costs as much as the rest
            self.wait_seconds_max = seconds

    def add_tally(self, tally: Tally) -> None:
        """Add what a slot has counted, which is gone."""
        self.acquired += tally.acquired
        self.wait_seconds += tally.wait_seconds
        self.wait_seconds_max = max(self.wait_seconds_max, tally.wait_seconds_max)
        self.hold_seconds += tally.hold_seconds
        self.waits = _sums([self.waits, tally.waits])
        self.holds = _sums([self.holds, tally.holds])


@dataclass(slots=True)
class Counters(Tally):
    """Running totals since the pool was made; changed only under the pool's lock."""

    timed_out: int = 0
    queue_full: int = 0
    shed: int = 0
    unavailable: int = 0
    closed: int = 0
    failed: int = 0
    cancelled: int = 0
    double_releases: int = 0
    leaked: int = 0
    create_failures: int = 0
    create_seconds: float = 0.0
    creates: list[int] = field(default_factory=_no_times)
    discarded: dict[str, int] = field(default_factory=dict)

    @property
    def has_dialled(self) -> bool:
        """Tell whether a connection was ever made."""
        return any(self.creates)

    def add_dial(self, seconds: float) -> None:
        """Count a connection that was made."""
        self.create_seconds += seconds
        self.creates[bisect_left(BOUNDS, seconds)] += 1

    def add_end(self, name: str) -> None:
        """Count one request for a connection, under the name of how it ended."""
        setattr(self, name, getattr(self, name) + 1)

    def add_discard(self, reason: str) -> None:
        """Count one connection that was closed instead of kept."""
        self.discarded[reason] = self.discarded.get(reason, 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """One look at a pool; all times in seconds.

    Sizes (now): `in_use + idle + connecting <= max_connections`; `waiting` callers are
    queued; `circuit` is "closed", "open" or "probing".

    Totals: every request for a connection ends as one of `acquired`, `timed_out`,
    `queue_full`, `shed` (sent away in overload), `unavailable`, `closed`, `failed` (its dial
    was refused for a password, database or argument) or `cancelled` (an exception, say a
    signal's, reached the caller while it queued or dialled). `waited` of them stood in the
    queue, for `wait_seconds` altogether: those who failed included. `hold_seconds` is what
    `released` connections were out for; `leaked` of them, or of those still out, were kept
    for longer than `leak_detection_threshold`. `discarded` counts closed connections by
    reason.

    By size: `waits` has the time in the queue of every request that ended, however it did
    (who stood in none waited for nothing); `holds` what each of `released` was out for;
    `creates` what each of `created` took to connect.
    """

    alias: str
    max_connections: int
    in_use: int
    idle: int
    connecting: int
    waiting: int
    generation: int
    circuit: str
    is_closed: bool
    is_paused: bool

    acquired: int
    waited: int
    timed_out: int
    queue_full: int
    shed: int
    unavailable: int
    closed: int
    failed: int
    cancelled: int
    wait_seconds: float
    wait_seconds_max: float
    released: int
    hold_seconds: float
    double_releases: int
    leaked: int
    created: int
    create_failures: int
    create_seconds: float
    discarded: Mapping[str, int]

    waits: Histogram
    holds: Histogram
    creates: Histogram

    @property
    def refused(self) -> int:
        """How many requests ended without a connection, for whatever reason."""
        return sum([getattr(self, name) for name in REFUSALS])

    @property
    def mean_hold_seconds(self) -> float:
        """How long a connection was out on average; 0.0 before the first return."""
        return self.hold_seconds / self.released if self.released else 0.0

    def summary(self) -> str:
        """Say the sizes in one line, as error messages and reprs show them."""
        connecting = f" connecting={self.connecting}" if self.connecting else ""
        return (
            f"in_use={self.in_use} idle={self.idle}{connecting} "
            f"waiting={self.waiting} max={self.max_connections}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        data = {each.name: getattr(self, each.name) for each in fields(self)}
        times = {name: getattr(self, name).as_dict() for name in _TIMES}
        return data | times | {"discarded": dict(self.discarded)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PoolStats:
        """Read what `as_dict` has told, whatever else stands beside it."""
        known = {each.name: data[each.name] for each in fields(cls)}
        return _frozen(known | {name: Histogram.from_dict(data[name]) for name in _TIMES})

    def __reduce__(self) -> tuple[Any, ...]:  # a mapping proxy does not pickle
        return _frozen, (
            {each.name: getattr(self, each.name) for each in fields(self)}
            | {"discarded": dict(self.discarded)},
        )


# How a request can end that gets no connection.
REFUSALS = (
    "timed_out", "queue_full", "shed", "unavailable", "closed", "failed", "cancelled",
)  # fmt: skip

_TIMES = ("waits", "holds", "creates")

_SIZES = (
    "alias", "max_connections", "in_use", "idle", "connecting", "waiting", "generation", "circuit",
    "is_closed", "is_paused",
)  # fmt: skip
_TOTALS = tuple(each.name for each in fields(PoolStats) if each.name not in _SIZES)


def snapshot(
    counters: Counters, tallies: Iterable[Tally] = (), *, queued: int | None = None, **sizes: Any
) -> PoolStats:
    """Freeze the counters, the slots' own included, together with the sizes of this moment.

    `queued` have waited in the queue, and wait no longer; None: as many as have counted that.
    """
    # Not asdict(): that copies deeply, and the pool's lock is held here.
    totals = {each.name: getattr(counters, each.name) for each in fields(Counters)}
    # Their owners go on counting meanwhile. In this order no more came back than were taken.
    own = list(tallies)
    totals["hold_seconds"] += sum([each.hold_seconds for each in own])
    holds = _sums([totals["holds"], *[each.holds for each in own]])
    totals["acquired"] += sum([each.acquired for each in own])
    waits = _sums([totals["waits"], *[each.waits for each in own]])
    totals["wait_seconds"] += sum([each.wait_seconds for each in own])
    longest = max([each.wait_seconds_max for each in own], default=0.0)
    totals["wait_seconds_max"] = max(totals["wait_seconds_max"], longest)
    totals |= {"waited": sum(waits), "released": sum(holds), "created": sum(totals["creates"])}
    ended = totals["acquired"] + sum([totals[name] for name in REFUSALS])
    # Who stood in no queue. One that was served just now may not have counted its wait yet.
    waits[0] += max(ended - (totals["waited"] if queued is None else queued), 0)
    totals["waits"] = Histogram.of(waits, totals["wait_seconds"])
    totals["holds"] = Histogram.of(holds, totals["hold_seconds"])
    totals["creates"] = Histogram.of(totals["creates"], totals["create_seconds"])
    return _frozen(sizes | totals)


def totals_of(stats: PoolStats) -> dict[str, Any]:
    """Return what of a snapshot is no size, by name."""
    return {name: getattr(stats, name) for name in _TOTALS}


def _sums(rows: list[list[int]]) -> list[int]:
    return [sum(column) for column in zip(*rows, strict=True)]


def _frozen(data: dict[str, Any]) -> PoolStats:
    data = {**data, "discarded": MappingProxyType(dict(data["discarded"]))}
    return PoolStats(**data)
