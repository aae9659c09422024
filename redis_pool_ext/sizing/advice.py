"""What `max_connections` should be, from what was measured; the theory is in `theory.py`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from .theory import LATE, Load, late_share, levels_of, smallest_size, variation_of

if TYPE_CHECKING:
    from .samples import Window

__all__ = ["TARGET", "Advice", "advise"]

TARGET = 0.01  # seconds

# Fewer tell nothing about one in a hundred.
_SECONDS_AT_LEAST = 10.0
_REQUESTS_AT_LEAST = 300

# Above this share of waits, how many are there at once says more of the queue than of arrivals.
_FEW = 0.02
# Above these, of waits and of connections in use, nor does the share itself.
_MOST, _HARDLY = 0.5, 0.75
_PEAKEDNESS = (0.3, 64.0)  # what is believed, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A size for a pool, and what it was made of; times in seconds.

    `size` is the fewest connections at which 99 of 100 requests wait for at most `target`; None
    while too little was seen. `text` says it in a sentence. `offered` is the load: as many
    connections would be out on average if there were always one. `longest_holder` has
    had `share` of all the time that connections were out.
    """

    size: int | None
    max_connections: int
    target: float
    text: str
    arrivals_per_second: float = 0.0
    mean_hold: float = 0.0
    offered: float = 0.0
    peak: int = 0
    wait_p99: float = 0.0
    peakedness: float = 1.0
    longest_holder: str | None = None
    share: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return asdict(self)


def advise(
    window: Window,
    max_connections: int,
    *,
    target: float = TARGET,
    shares: Mapping[str, float] | None = None,
) -> Advice:
    """Say which size is right for what `window` shows of a pool of `max_connections`.

    Raises `ValueError` for a `target` (seconds) that nobody can wait for.
    """
    if not 0 <= target < math.inf:
        raise ValueError(f"target is a number of seconds, 0 or more, not {target!r}")
    if (
        window.seconds < _SECONDS_AT_LEAST
        or window.arrivals < _REQUESTS_AT_LEAST
        or not window.holds.total
    ):
        text = (
            f"too little to tell: {window.arrivals} request{'s' if window.arrivals != 1 else ''} "
            f"in {window.seconds:.0f} s; it takes {_REQUESTS_AT_LEAST} in {_SECONDS_AT_LEAST:.0f} s"
        )
        return Advice(size=None, max_connections=max_connections, target=target, text=text)
    load = load_of(window, max_connections)
    size = _size(window, load, max_connections, target)
    holder, share = next(iter((shares or {}).items()), (None, 0.0))
    facts = {
        "arrivals_per_second": window.arrivals_per_second,
        "mean_hold": load.hold,
        "offered": load.offered,
        "peak": window.peak,
        "wait_p99": window.waits.quantile(0.99),
        "peakedness": load.peakedness,
    }
    return Advice(
        size=size,
        max_connections=max_connections,
        target=target,
        text=_text(window, size, max_connections, target, holder, share),
        longest_holder=holder,
        share=share,
        **facts,  # type: ignore[arg-type]
    )


def _size(window: Window, load: Load, now: int, target: float) -> int:
    # Nobody can use more than there were at once: of a server with few threads, say.
    size = min(smallest_size(load, target), max(window.peak + window.longest_queue, 1))
    if size > now and not window.refused and window.waits.share_above(target) <= LATE:
        return now  # whatever the theory says, it was large enough
    return size


def load_of(window: Window, max_connections: int) -> Load:
    """Return the load that a window shows."""
    levels = levels_of(window.arrivals_by_second, window.dispersion, window.holds)
    steady = Load(levels=levels, hold=window.holds.mean, variation=variation_of(window.holds))
    return Load(
        levels=levels,
        hold=steady.hold,
        variation=steady.variation,
        peakedness=_peakedness(window, steady, max_connections),
    )


def _peakedness(window: Window, load: Load, size: int) -> float:
    """Return how bursty arrivals are within seconds; 1.0 is at random.

    How many are there at once shows it, beyond what each second's own load explains; but
    where many wait, that is the queue's doing as well. Then also the share that waits shows it.
    Where most wait because connections hardly suffice, neither tells arrivals from overload.
    """
    waiting = window.waited / window.arrivals
    if waiting > _MOST and load.highest > _HARDLY * size:
        return 1.0
    seen = _believed(window.peakedness - load.dispersion)
    return seen if waiting <= _FEW else min(seen, _peakedness_by_waits(load, size, waiting))


def _peakedness_by_waits(load: Load, size: int, waiting: float) -> float:
    """Return the peakedness at which this share would have to wait."""
    low, high = _PEAKEDNESS
    for _ in range(20):
        middle = (low * high) ** 0.5
        if late_share(replace(load, peakedness=middle), size, 0.0) < waiting:
            low = middle
        else:
            high = middle
    return low


def _believed(peakedness: float) -> float:
    low, high = _PEAKEDNESS
    return min(max(peakedness, low), high)


def _text(  # noqa: PLR0913, PLR0917  a sentence of six facts
    window: Window, size: int, now: int, target: float, holder: str | None, share: float
) -> str:
    wait = window.waits.quantile(0.99)
    waits = f"waits at p99 {_time(wait)}" if wait > target else f"p99 wait {_time(wait)}"
    if size > now:
        way_out = f", or shorten what holds {share:.0%} of the time: {holder}" if holder else ""
        return f"{waits}, peak {window.peak} of {now} in use: {size} would do{way_out}"
    if size < now:
        return f"peak {window.peak} of {now} in use, {waits}: {size} would do"
    return f"peak {window.peak} of {now} in use, {waits}: {now} is right"


def _time(seconds: float) -> str:
    if seconds <= 0.0001:
        return "0"
    number, unit = (seconds * 1e3, "ms") if seconds < 1 else (seconds, "s")
    return f"{number:.0f} {unit}" if number >= 10 else f"{number:.2g} {unit}"
