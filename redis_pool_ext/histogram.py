"""How long things took: counts by size, of which percentiles and variation can be told."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

__all__ = ["BOUNDS", "NOTHING", "Histogram"]

# Seconds; a bucket holds what took at most so long, and longer than the one before. Steps of
# about two keep a percentile within half of the truth; among them are the buckets of
# OpenTelemetry's conventions (`db.client.operation.duration`), so those can be told exactly.
BOUNDS = (
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0, 20.0, 60.0,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Histogram:
    """Times by size: `counts` has one number for each of `BOUNDS`, and one for what is longer.

    `seconds` is the sum of them all.
    """

    counts: tuple[int, ...]
    seconds: float

    @classmethod
    def of(cls, counts: Iterable[int], seconds: float) -> Histogram:
        """Return one with these counts; whatever holds none is the same object each time."""
        counts = tuple(counts)
        return cls(counts, seconds) if any(counts) else NOTHING

    @classmethod
    def from_times(cls, times: Iterable[float]) -> Histogram:
        """Count each of these times (seconds)."""
        counts, total = [0] * (len(BOUNDS) + 1), 0.0
        for seconds in times:
            counts[bisect_left(BOUNDS, seconds)] += 1
            total += seconds
        return cls.of(counts, total)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Histogram:
        """Read what `as_dict` has told."""
        return cls.of(data["counts"], data["seconds"])

    @property
    def total(self) -> int:
        """How many times were counted."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """The mean, in seconds; 0.0 of nothing."""
        return self.seconds / self.total if self.total else 0.0

    def __add__(self, other: Histogram) -> Histogram:
        both = zip(self.counts, other.counts, strict=True)
        return Histogram.of((mine + theirs for mine, theirs in both), self.seconds + other.seconds)

    def __sub__(self, earlier: Histogram) -> Histogram:
        """What has been counted since an earlier look; never less than nothing."""
        both = zip(self.counts, earlier.counts, strict=True)
        seconds = max(self.seconds - earlier.seconds, 0.0)
        return Histogram.of((max(now - then, 0) for now, then in both), seconds)

    def quantile(self, share: float) -> float:
        """Return the time (seconds) that this share of them did not exceed; 0.0 of nothing.

        Spread evenly within its bucket, as Prometheus' `histogram_quantile` has it; of what
        is longer than the last bound, that bound.
        """
        wanted = share * self.total
        seen, low = 0.0, 0.0
        for count, high in zip(self.counts, (*BOUNDS, BOUNDS[-1]), strict=True):
            if count and seen + count >= wanted:
                return low + (high - low) * max(wanted - seen, 0.0) / count
            seen, low = seen + count, high
        return 0.0

    def up_to(self, bounds: Sequence[float]) -> list[int]:
        """Return how many took at most so long, for each of some of `BOUNDS`.

        Raises `ValueError` for a bound that is not among them.
        """
        sums = dict(zip(BOUNDS, accumulate(self.counts), strict=False))
        missing = [bound for bound in bounds if bound not in sums]
        if missing:
            raise ValueError(f"{missing} are not among the bounds {BOUNDS}")
        return [sums[bound] for bound in bounds]

    def share_above(self, seconds: float) -> float:
        """Return the share of them that took longer; as exact as `quantile`; 0.0 of nothing."""
        below, low = 0.0, 0.0
        for count, high in zip(self.counts, (*BOUNDS, BOUNDS[-1]), strict=True):
            if high <= seconds:
                below += count
            elif low < seconds:
                below += count * (seconds - low) / (high - low)
            low = high
        return 1.0 - below / self.total if self.total else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {"bounds": list(BOUNDS), "counts": list(self.counts), "seconds": self.seconds}


NOTHING = Histogram((0,) * (len(BOUNDS) + 1), 0.0)
