"""The last minutes of a pool: a sample for each second, taken by who looks at it now and then.

A lease pays nothing for it. What it has counted anyway is read once a second; how many are in
use in between comes from a look every fifth of a second, at moments that are not quite regular,
so that nothing regular hides from them. The most at once is exact nevertheless: idle
connections are lent newest first, so those that were used in a second are as many as were out
at once in it.
"""

from __future__ import annotations

import logging
import random
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from ..books.report import NOBODY
from .samples import Sample, Window

if TYPE_CHECKING:
    from ..books.records import Slot
    from ..pooling.base import PoolBase
    from ..stats import PoolStats

__all__ = ["SECONDS", "History", "follow_samples", "kind_of", "name_of"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

SECONDS = 300  # that are kept
_LOOKS_EVERY = 0.2  # seconds
_KEPT = 0.99  # of what was seen of each holder, per second: it counts half after 69 s
_KINDS_MAX = 200


_followers: list[Callable[[], None]] = []
_failing: list[Callable[[], None]] = []  # those of them whose error was logged


def follow_samples(follower: Callable[[], None]) -> None:
    """Have `follower` called after each sample of each pool, in the observer's thread.

    What it raises is logged, and not again until it has worked in between.
    """
    if follower not in _followers:
        _followers.append(follower)


def _tell_followers() -> None:
    for follower in _followers:
        try:
            follower()
        except Exception:
            if follower not in _failing:
                _failing.append(follower)
                logger.exception("%s failed; its next failures are not logged", follower)
        else:
            if follower in _failing:
                _failing.remove(follower)


class History:
    """The samples of one pool, and who was seen holding its connections.

    The observer's thread goes round (`keep_house`) and writes; others read.
    """

    def __init__(self, pool: PoolBase) -> None:
        self._pool = weakref.ref(pool)
        self.alias: str = pool.alias
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
            stats, _ = pool.stats_and_used_since(now)
            self._begin(stats, now)
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
        _tell_followers()

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
    return _told(lambda: getattr(holder, "kind", holder))


def name_of(holder: object) -> str:
    """Return what reports call a holder; a name that cannot be told hides nobody else's."""
    return _told(lambda: holder)


def _told(find: Callable[[], object]) -> str:
    with suppress(Exception):  # a request's own properties, while it goes on elsewhere
        found = find()
        return NOBODY if found is None else str(found)
    return NOBODY
