"""How large a pool has to be: queueing theory for what was measured of it.

The model, per second of the window (docs/sizing.md has it with its limits and the figures of a
simulation):

- *Offered load* a = arrivals per second x mean hold (Little's law): how many connections would
  be out on average if there were always one. Where a second's arrivals differ from the
  mean by more than chance, each second has its own; holds longer than that reach into later ones.
- *Who has to wait*: Erlang's C formula for c connections. Arrivals in bursts (or in step) need more
  (or fewer): by Hayward's rule, as c/z connections for a load of a/z, z the peakedness; and who
  comes in a burst meets more than there are on average, for which the simulation gave a factor.
- *For how long*: exponentially, with mean hold / (c - a) x (z + v)/2, v the variation of holds
  (variance over mean squared), as Kimura and Allen-Cunneen have it for general queues.

The size is the smallest c at which 99 of 100 wait for no longer than the target.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..histogram import BOUNDS, Histogram

__all__ = ["LATE", "Load", "late_share", "levels_of", "smallest_size", "variation_of"]

LATE = 0.01  # the share of requests that may wait for longer than the target

_LEVELS = 16  # of load, that seconds are sorted into
_REACH = 60  # seconds; a load of longer ago is not looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked of a pool.

    `levels` are offered loads with the share of requests that come at each; `hold` is the mean
    (seconds), `variation` its variance over mean squared, `peakedness` that of arrivals.
    """

    levels: tuple[tuple[float, float], ...]
    hold: float
    variation: float
    peakedness: float = 1.0

    @property
    def offered(self) -> float:
        """The mean of the offered loads, over time: at twice the load come twice the requests."""
        return 1.0 / self._time if self._time else 0.0

    @property
    def highest(self) -> float:
        """The highest of the offered loads."""
        return max(load for load, _ in self.levels)

    @property
    def dispersion(self) -> float:
        """Variance over mean of the offered loads, over time."""
        mean = self.offered
        squares = sum(share / load * (load - mean) ** 2 for load, share in self.levels if load)
        return squares / self._time / mean if mean else 0.0

    @property
    def _time(self) -> float:
        return sum(share / load for load, share in self.levels if load)


def levels_of(
    arrivals: Sequence[float], dispersion: float, holds: Histogram
) -> tuple[tuple[float, float], ...]:
    """Return the levels of load, for the arrivals in each second.

    Of their variance so much is chance as a steady flow has; only the rest is a change of it.
    """
    mean = sum(arrivals) / len(arrivals)
    real = math.sqrt(max(dispersion - 1.0, 0.0) / dispersion) if dispersion > 0 else 0.0
    rates = [max(mean + (rate - mean) * real, 0.0) for rate in arrivals]
    kept = _survival(holds)
    loads = [
        sum(rates[max(now - ago, 0)] * share for ago, share in enumerate(kept))
        for now in range(len(rates))
    ]
    return _grouped(sorted(zip(loads, rates, strict=True)))


def _survival(holds: Histogram) -> list[float]:
    """Return how much of each second after a start a connection is out, on average (seconds)."""
    buckets = _buckets(holds)
    beyond = [sum(count * (low + high) / 2 for low, high, count in buckets)]
    while beyond[-1] and len(beyond) < _REACH:
        moment = float(len(beyond))
        beyond.append(sum(count * _part_beyond(low, high, moment) for low, high, count in buckets))
    # Scaled, so that the sum is the true mean.
    return [(now - later) * holds.mean / beyond[0] for now, later in pairwise([*beyond, 0.0])]


def _part_beyond(low: float, high: float, moment: float) -> float:
    """Return the mean of what a time in a bucket has beyond a moment (seconds)."""
    if low >= moment:
        return (low + high) / 2 - moment
    if high <= moment:
        return 0.0
    return (high - moment) ** 2 / 2 / (high - low)


def _buckets(times: Histogram) -> list[tuple[float, float, int]]:
    edges = (0.0, *BOUNDS, 2 * BOUNDS[-1])
    sides = zip(edges[:-1], edges[1:], times.counts, strict=True)
    return [(low, high, count) for low, high, count in sides if count]


def variation_of(times: Histogram) -> float:
    """Return variance over mean squared, as far as buckets tell."""
    buckets, total = _buckets(times), times.total
    mean = sum(count * (low + high) / 2 for low, high, count in buckets) / total
    if not mean:
        return 0.0
    # Spread evenly in each bucket; its own mean in place of the true one, so that the error
    # of the buckets is in both.
    squares = sum(c * (low * low + low * high + high * high) / 3 for low, high, c in buckets)
    return max(squares / total / mean**2 - 1.0, 0.0)


def _grouped(sorted_loads: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Return few levels for many seconds: neighbours in one, weighed by their requests."""
    total = sum(rate for _, rate in sorted_loads)
    if not total:
        return ((0.0, 1.0),)
    size = max(1, math.ceil(len(sorted_loads) / _LEVELS))
    groups = [sorted_loads[at : at + size] for at in range(0, len(sorted_loads), size)]
    levels = []
    for group in groups:
        weight = sum(rate for _, rate in group)
        if weight:
            levels.append((sum(a * rate for a, rate in group) / weight, weight / total))
    return tuple(levels)


# -- the model ---------------------------------------------------------------------------------


def smallest_size(load: Load, target: float, most: int = 100_000) -> int:
    """Return the fewest connections at which at most `LATE` wait for longer than `target`."""
    low, high = 0, 1
    while late_share(load, high, target) > LATE and high < most:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if late_share(load, middle, target) > LATE:
            low = middle
        else:
            high = middle
    return high


def late_share(load: Load, size: int, target: float) -> float:
    """Return the share of requests that wait for longer than `target` seconds."""
    return sum(share * _late(load, offered, size, target) for offered, share in load.levels)


def _late(load: Load, offered: float, size: int, target: float) -> float:
    if offered >= size:
        return 1.0  # the queue grows for as long as this lasts
    if not offered:
        return 0.0
    z = load.peakedness
    # Who comes in a burst meets those that came with it: more than the time between bursts
    # shows. By the square root of z, up to two, the simulation says.
    in_bursts = math.sqrt(min(max(z, 1.0), 4.0))
    has_to_wait = min(_erlang_c(size / z, offered / z) * in_bursts, 1.0)
    mean_wait = load.hold / (size - offered) * (z + load.variation) / 2
    return has_to_wait * math.exp(-target / mean_wait) if mean_wait else 0.0


def _erlang_c(servers: float, offered: float) -> float:
    """Return the share that finds all servers busy; between whole numbers, on a smooth curve."""
    whole = math.floor(servers)
    below = _erlang_c_whole(whole, offered)
    part = servers - whole
    if not part:
        return below
    above = _erlang_c_whole(whole + 1, offered)
    if not above:
        return 0.0
    return math.exp((1 - part) * math.log(below) + part * math.log(above))


def _erlang_c_whole(servers: int, offered: float) -> float:
    if offered >= servers:
        return 1.0
    blocked = 1.0  # Erlang's B formula, by its recursion
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1.0 - offered / servers * (1.0 - blocked))
