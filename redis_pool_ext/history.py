"""The last minutes of a pool: a sample for each second, taken by who looks at it now and then.

A lease pays nothing for it. What it has counted anyway is read once a second; how many are in
use in between comes from a look every fifth of a second, at moments that are not quite regular,
so that nothing regular hides from them. The most at once is exact nevertheless: idle
connections are lent newest first, so those that were used in a second are as many as were out
at once in it.
"""

from __future__ import annotations

import random
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from time import monotonic
from typing import TYPE_CHECKING, Any

from .histogram import NOTHING, Histogram
from .report import NOBODY

if TYPE_CHECKING:
    from .base import PoolBase
    from .records import Slot
    from .stats import PoolStats

__all__ = ["History", "Sample", "Window", "follow_samples"]

SECONDS = 300  # that are kept
_LOOKS_EVERY = 0.2  # seconds
_KEPT = 0.99  # of what was seen of each holder, per second: it counts half after 69 s
_KINDS_MAX = 200


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


_followers: list[Callable[[], None]] = []


def follow_samples(follower: Callable[[], None]) -> None:
    """Have `follower` called after each sample of each pool, in the observer's thread."""
    if follower not in _followers:
        _followers.append(follower)


class History:
    """The samples of one pool, and who was seen holding its connections.

    The observer's thread goes round (`keep_house`) and writes; others read.
    """

    def __init__(self, pool: PoolBase) -> None:
        self._pool = weakref.ref(pool)
        self.alias = pool.alias
        self.samples: deque[Sample] = deque(maxlen=SECONDS)
        self._seen: dict[str, float] = {}  # looks at a holder, those of long ago counting less
        self._before: PoolStats | None = None
        self._began = 0.0  # monotonic, seconds
        self._start_looking()

    def _start_looking(self) -> None:
        self._looks = self._busy = self._busy_squares = self._used = 0
        self._most = self._longest_queue = 0

    @property
    def round_every(self) -> float | None:
        """Seconds until the next look; None where no thread is wanted."""
        pool = self._pool()
        if pool is None or pool.housekeeping_interval is None:
            return None
        return _LOOKS_EVERY * random.uniform(0.75, 1.25)

    @property
    def is_closed(self) -> bool:
        """Tell whether there is nothing to look at any more."""
        pool = self._pool()
        return pool is None or pool.is_closed

    def keep_house(self) -> None:
        """Look at the pool; take a sample, if a second is over."""
        pool = self._pool()
        if pool is None:
            return
        held, busy, queued = pool.look()
        self._look(len(held), busy, queued)
        self._see(held)
        now = monotonic()
        if self._before is None:
            self._begin(pool.stats(), now)
        elif now - self._began >= 1.0:
            self._take_sample(pool, now)

    def _look(self, used: int, busy: int, queued: int) -> None:
        self._looks += 1
        self._used += used
        self._busy += busy
        self._busy_squares += busy * busy
        self._most = max(self._most, used)
        self._longest_queue = max(self._longest_queue, queued)

    def _begin(self, stats: PoolStats, now: float) -> None:
        self._before, self._began = stats, now
        self._start_looking()

    def _take_sample(self, pool: PoolBase, now: float) -> None:
        before, since = self._before, self._began
        assert before is not None
        stats, used = pool.stats_and_used_since(since)
        acquired, refused = stats.acquired - before.acquired, stats.refused - before.refused
        self.samples.append(
            Sample(
                at=time.time(),
                seconds=now - since,
                in_use=stats.in_use,
                idle=stats.idle,
                connecting=stats.connecting,
                waiting=stats.waiting,
                # A connection that was only made ready was not used.
                peak=max(self._most, min(used, before.in_use + acquired)),
                longest_queue=max(self._longest_queue, stats.waiting),
                arrivals=max(acquired + refused + stats.waiting - before.waiting, 0),
                acquired=acquired,
                refused=refused,
                waited=max(stats.waited - before.waited, 0),
                waits=stats.waits - before.waits,
                holds=stats.holds - before.holds,
                looks=self._looks,
                busy=self._busy,
                busy_squares=self._busy_squares,
                used=self._used,
            )
        )
        self._fade()
        self._begin(stats, now)
        for follow in _followers:
            follow()

    def _see(self, held: list[Slot]) -> None:
        for slot in held:
            kind = kind_of(slot.holder)
            if kind in self._seen or len(self._seen) < _KINDS_MAX:
                self._seen[kind] = self._seen.get(kind, 0.0) + 1.0

    def _fade(self) -> None:
        self._seen = {kind: n * _KEPT for kind, n in self._seen.items() if n > 0.05}

    def window(self, seconds: float) -> Window:
        """Sum up the last seconds."""
        return Window.of(list(self.samples)[-max(1, round(seconds)) :])

    def shares(self) -> dict[str, float]:
        """Return whose part of all holding was how large lately, the largest first."""
        seen = dict(self._seen)
        total = sum(seen.values())
        largest = sorted(seen.items(), key=lambda each: -each[1])
        return {kind: count / total for kind, count in largest}


def kind_of(holder: object) -> str:
    """Return the name that a holder has in common with its like, say a view's.

    A holder may have a `kind` for that; else it is what reports call it.
    """
    if holder is None:
        return NOBODY
    with suppress(Exception):  # a request's own properties, while it goes on elsewhere
        return str(getattr(holder, "kind", holder))
    return NOBODY


def name_of(holder: object) -> str:
    """Return what reports call a holder; a name that cannot be told hides nobody else's."""
    if holder is None:
        return NOBODY
    with suppress(Exception):
        return str(holder)
    return NOBODY
