"""What became of requests: the figures, the same for a real run and for one on paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from math import inf
from statistics import median
from typing import NamedTuple

from .harness import ratio

__all__ = [
    "FIGURES",
    "NORMAL",
    "SLICE",
    "Outcome",
    "Request",
    "difference",
    "jain",
    "share",
    "slices",
]

SLICE = 0.1  # seconds

# The figures of an outcome that say how it went, and their units.
FIGURES = {
    "goodput": "%",
    "served": "%",
    "p50": "ms",
    "p99": "ms",
    "refused": "%",
    "told p50": "ms",
    "told p99": "ms",
}

# Waits are normal again at this many times the longest of the slices before, for half a second.
NORMAL = 1.25
IN_A_ROW = 5


class Request(NamedTuple):
    """One request: when it came, and how long after that it ended, served or refused; seconds.

    `late`: how long after its arrival it even came to the pool; `held`: for how long it had a
    connection, from when the pool gave it; `client`: whose it was.
    """

    at: float
    seconds: float
    is_served: bool
    late: float = 0.0
    held: float = 0.0
    client: int = 0


class Outcome:
    """How it went between two moments; what came before the first one only filled the queue."""

    def __init__(self, requests: Iterable[Request], begin: float, end: float) -> None:
        self.begin, self.end = begin, end
        self.all = sorted(requests)

    @cached_property
    def requests(self) -> list[Request]:
        """Those that came between the two moments."""
        return [each for each in self.all if self.begin <= each.at < self.end]

    @cached_property
    def served(self) -> list[float]:
        """The seconds from arrival to end of those who got a connection, sorted."""
        return sorted(each.seconds for each in self.requests if each.is_served)

    @cached_property
    def refused(self) -> list[float]:
        """The seconds until they were told, of those who got none, sorted."""
        return sorted(each.seconds for each in self.requests if not each.is_served)

    def holds(self) -> list[float]:
        """Return the seconds for which connections were held."""
        return [each.held for each in self.all if each.is_served]

    def throughput(self, within: float = inf) -> float:
        """Return how many a second were served so fast, by when they ended.

        Without those that ended after the last arrival: the queue that is left then would
        look like capacity.
        """
        done = sum(
            each.is_served
            and each.seconds <= within
            and self.begin <= each.at + each.seconds <= self.end
            for each in self.all
        )
        return done / (self.end - self.begin)

    def figures(self, capacity: float, patience: float) -> dict[str, float]:
        """Return a figure for each column: times in seconds, shares in percent."""
        figures = {
            "goodput": 100 * self.throughput(patience) / capacity,
            "served": 100 * self.throughput() / capacity,
            "p50": share(self.served, 50.0),
            "p99": share(self.served, 99.0),
            "refused": 100 * ratio(len(self.refused), len(self.requests)),
            "late": median([each.late for each in self.requests] or [0.0]),
        }
        if self.refused:
            figures["told p50"] = share(self.refused, 50.0)
            figures["told p99"] = share(self.refused, 99.0)
        return figures

    def back_to_normal(self, calm: tuple[float, float], over: float) -> float:
        """Return the seconds from the moment `over` until waits were as in the `calm` before.

        By slices: all who came in one are served, and the 99th percentile of them is at most
        `NORMAL` times the longest of the calm, `IN_A_ROW` times; infinite if that never was.
        """
        found = slices(self.all)
        limit = NORMAL * max([p99 for at, p99 in found if calm[0] <= at < calm[1]], default=inf)
        after = [(at, p99 <= limit) for at, p99 in found if at >= over - 1e-9]
        for number, (at, _) in enumerate(after):
            row = after[number : number + IN_A_ROW]
            if all(is_normal for _, is_normal in row):
                return at + SLICE - over
        return inf


def slices(requests: Iterable[Request]) -> list[tuple[float, float]]:
    """Return for each slice of time when it begins, and the 99th percentile of who came in it.

    Infinite where more than one in a hundred was refused.
    """
    found: dict[int, list[float]] = {}
    for each in requests:
        seconds = each.seconds if each.is_served else inf
        found.setdefault(int(each.at / SLICE + 1e-9), []).append(seconds)
    return [(number * SLICE, share(sorted(times), 99.0)) for number, times in sorted(found.items())]


def share(figures: Sequence[float], percent: float) -> float:
    """Return the figure that so many percent of these, which are sorted, do not exceed."""
    if not figures:
        return 0.0
    return figures[min(len(figures) - 1, int(len(figures) * percent / 100))]


def jain(counts: Sequence[float]) -> float:
    """Return Jain's index of fairness: 1 if all have the same, 1/n if one has everything."""
    return ratio(sum(counts) ** 2, len(counts) * sum(each**2 for each in counts))


def difference(real: float, simulated: float, least: float) -> float:
    """Return by how many percent two figures differ; below `least`, by how many of that."""
    return 100 * abs(real - simulated) / max(real, least)
