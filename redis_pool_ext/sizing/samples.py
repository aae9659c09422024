"""What one second of a pool was, and what some of them are in sum."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from ..histogram import NOTHING, Histogram

__all__ = ["Sample", "Window"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What happened in `seconds` up to `at` (seconds since the epoch).

    Sizes are those at its end; `peak` is the most connections that were out at once in it, and
    `longest_queue` the longest queue that was seen. `arrivals` asked for a connection: as
    many as `acquired` one, or were `refused`, and those who queue now and did not before.
    `waits` and `holds` are those that ended. `looks` were made, and `busy` is the sum of how
    many each saw that had a connection, wanted or dialled one; `busy_squares` of its squares,
    `used` of those that had one.
    """

    at: float
    seconds: float
    in_use: int
    idle: int
    connecting: int
    waiting: int
    peak: int
    longest_queue: int
    arrivals: int
    acquired: int
    refused: int
    waited: int
    waits: Histogram
    holds: Histogram
    looks: int
    busy: int
    busy_squares: int
    used: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON; times as their percentiles, in seconds."""
        return _plain(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Some seconds in sum; nothing, and `seconds` 0.0, where no sample was taken yet.

    `mean_in_use` and `peak` are of connections; `dispersion` says how unevenly requests
    came, as variance over mean of their number per second (1.0 at random, less in step, more
    in bursts), and `peakedness` the same of how many were there at once.
    """

    seconds: float
    arrivals: int
    acquired: int
    refused: int
    waited: int
    mean_in_use: float
    peak: int
    longest_queue: int
    dispersion: float
    peakedness: float
    waits: Histogram
    holds: Histogram
    arrivals_by_second: tuple[float, ...]

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Window:
        """Sum up."""
        these = list(samples)
        looks = sum(each.looks for each in these)
        busy = sum(each.busy for each in these)
        squares = sum(each.busy_squares for each in these)
        return cls(
            seconds=sum(each.seconds for each in these),
            arrivals=sum(each.arrivals for each in these),
            acquired=sum(each.acquired for each in these),
            refused=sum(each.refused for each in these),
            waited=sum(each.waited for each in these),
            mean_in_use=sum(each.used for each in these) / looks if looks else 0.0,
            peak=max((each.peak for each in these), default=0),
            longest_queue=max((each.longest_queue for each in these), default=0),
            dispersion=_dispersion(these),
            peakedness=squares / busy - busy / looks if busy else 1.0,
            waits=sum((each.waits for each in these), NOTHING),
            holds=sum((each.holds for each in these), NOTHING),
            arrivals_by_second=tuple(each.arrivals / each.seconds for each in these),
        )

    @property
    def arrivals_per_second(self) -> float:
        """How many asked for a connection, per second."""
        return self.arrivals / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON; times in seconds, their percentiles beside them.

        The times themselves, too: percentiles of several processes cannot be summed.
        """
        plain = _plain(self) | {"arrivals_per_second": self.arrivals_per_second}
        del plain["arrivals_by_second"]
        return plain | {"waits": self.waits.as_dict(), "holds": self.holds.as_dict()}


def _plain(record: Any) -> dict[str, Any]:
    plain = {each.name: getattr(record, each.name) for each in fields(record)}
    for name in ("waits", "holds"):
        times: Histogram = plain.pop(name)
        plain |= {
            f"{name}_mean": times.mean,
            f"{name}_p50": times.quantile(0.5),
            f"{name}_p99": times.quantile(0.99),
        }
    return plain


def _dispersion(samples: list[Sample]) -> float:
    """Return variance over mean of the arrivals in a second; 1.0 where there is too little."""
    rates = [each.arrivals / each.seconds for each in samples]
    mean = sum(rates) / len(rates) if rates else 0.0
    if not mean or len(rates) < 2:
        return 1.0
    length = sum(each.seconds for each in samples) / len(samples)
    return sum((rate - mean) ** 2 for rate in rates) / (len(rates) - 1) / mean * length
