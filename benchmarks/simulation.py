"""A pool on paper: who comes when and stays how long, with so many connections; seeded.

Requests are served in order of arrival, as in the pool. A wait longer than `timeout` is a refusal.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from redis_pool_ext.histogram import Histogram
from redis_pool_ext.sizing.samples import Sample, Window

__all__ = ["Load", "Visit", "at_random", "fewest", "late_share", "play", "window_of"]

_LOOKS = 5  # per second, as the observer's


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: when it came, how long it waited, how long it held (None: refused). Seconds."""

    at: float
    wait: float
    hold: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """How many were in use and there at all, and the most in use since the look before."""

    at: float
    used: int
    busy: int
    most: int


@dataclass(frozen=True, slots=True)
class Load:
    """Who comes when (sorted), and would hold a connection for how long; seconds."""

    name: str
    arrivals: Sequence[float]
    holds: Sequence[float]

    @classmethod
    def of(cls, name: str, arrivals: Sequence[float], hold: Callable[[], float]) -> Load:
        """Draw the holds."""
        return cls(name, arrivals, [hold() for _ in arrivals])


def at_random(
    rng: random.Random, seconds: float, most: float, rate: Callable[[float], float] | None = None
) -> list[float]:
    """Return arrivals at random (Poisson): `most` per second, or `rate(moment)` if that varies."""
    moment, found = 0.0, []
    while (moment := moment + rng.expovariate(most)) < seconds:
        if rate is None or rng.random() * most < rate(moment):
            found.append(moment)
    return found


def play(load: Load, size: int, timeout: float = 2.0) -> list[Visit]:
    """Return what becomes of each request with so many connections."""
    free_at = [0.0] * size
    visits = []
    for at, hold in zip(load.arrivals, load.holds, strict=True):
        wait = max(free_at[0] - at, 0.0)
        if wait > timeout:
            visits.append(Visit(at, timeout, None))
            continue
        heapq.heapreplace(free_at, at + wait + hold)
        visits.append(Visit(at, wait, hold))
    return visits


def late_share(visits: Sequence[Visit], target: float) -> float:
    """Return the share of requests that waited longer than `target` seconds."""
    return sum(visit.wait > target for visit in visits) / len(visits)


def fewest(late: Callable[[int], bool], guess: int = 1) -> int:
    """Return the smallest size that is not `late`, by trying; a good `guess` saves tries."""
    high = max(guess, 1)
    while late(high):
        high += max(1, high // 8)
    low = high - 1
    while low and not late(low):
        high, low = low, low - 1
    return high


# -- what the pool's own history would have seen of it --------------------------------------------


def window_of(visits: Sequence[Visit], seconds: int, rng: random.Random) -> Window:
    """Return the window that the observer would have taken."""
    looks: list[list[Look]] = [[] for _ in range(seconds)]
    for look in _looks(visits, seconds, rng):
        looks[min(int(look.at), seconds - 1)].append(look)
    by_second: list[list[Visit]] = [[] for _ in range(seconds)]
    for visit in visits:
        by_second[min(int(visit.at), seconds - 1)].append(visit)
    return Window.of(map(_sample, range(seconds), by_second, looks))


def _sample(second: int, visits: list[Visit], looks: list[Look]) -> Sample:
    served = [visit for visit in visits if visit.hold is not None]
    return Sample(
        at=second + 1.0, seconds=1.0, in_use=0, idle=0, connecting=0, waiting=0,
        peak=max((look.most for look in looks), default=0),
        longest_queue=max((look.busy - look.used for look in looks), default=0),
        arrivals=len(visits),
        acquired=len(served),
        refused=len(visits) - len(served),
        waited=sum(visit.wait > 0 for visit in visits),
        waits=Histogram.from_times(visit.wait for visit in visits),
        holds=Histogram.from_times(visit.hold for visit in served if visit.hold is not None),
        looks=len(looks),
        busy=sum(look.busy for look in looks),
        busy_squares=sum(look.busy**2 for look in looks),
        used=sum(look.used for look in looks),
    )  # fmt: skip


def _looks(visits: Sequence[Visit], seconds: int, rng: random.Random) -> Iterator[Look]:
    """Yield moments, how many were in use, and how many were there at all."""
    changes = sorted(change for visit in visits for change in _changes(visit))
    moments = sorted(
        second + (number + rng.random()) / _LOOKS
        for second in range(seconds)
        for number in range(_LOOKS)
    )
    used = busy = position = 0
    for moment in moments:
        most = used
        while position < len(changes) and changes[position][0] <= moment:
            used, busy = used + changes[position][1], busy + changes[position][2]
            most = max(most, used)
            position += 1
        yield Look(moment, used, busy, most)


def _changes(visit: Visit) -> list[tuple[float, int, int]]:
    begun = visit.at + visit.wait
    if visit.hold is None:
        return [(visit.at, 0, 1), (begun, 0, -1)]
    return [(visit.at, 0, 1), (begun, 1, 0), (begun + visit.hold, -1, -1)]
