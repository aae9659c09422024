"""The advice on a pool's size, against the smallest size that does, found by trying."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from redis_pool_ext import RedisPool
from redis_pool_ext.embedded import EmbeddedRedis
from redis_pool_ext.errors import PoolExhaustedError
from redis_pool_ext.sizing.advice import Advice, advise
from redis_pool_ext.sizing.theory import LATE

from .crowd import threads
from .harness import Effort, Result, Row, Target, row
from .simulation import Load, at_random, fewest, late_share, play, window_of

__all__ = ["TITLE", "measure"]

TITLE = "The size of a pool: as advised, and the smallest that does"

UNIT = {"offered": "", "smallest": "", "seen at": "", "advised": "", "off by": "%"}

SEED = 8
TARGET = 0.02  # seconds that 99 of 100 may wait at most
SIMULATED, REAL = "simulated, 5 minutes", "real: threads, leases, a server"
_THREADS = 64
_REAL_SECONDS = 30


class Trial(NamedTuple):
    """What one size did, and what was advised to who saw that."""

    late: float
    advice: Advice


def measure(effort: Effort) -> Result:
    """Try sizes with each load, and compare what is advised at each with the smallest that does."""
    rows = []
    for load in _loads(300):
        trial = _simulated(load, 300)
        rows += _rows(SIMULATED, load, trial, _smallest(trial, load))
    if effort.factor >= 1:
        with EmbeddedRedis() as server:
            for load in _loads(_REAL_SECONDS, gently=True):
                # On paper first: each try here takes its time.
                guess = _smallest(_simulated(load, _REAL_SECONDS), load)
                trial = _real(load, server.url)
                rows += _rows(REAL, load, trial, _smallest(trial, load, guess))
    worst = max(abs(each.values["off by"]) for each in rows)
    return Result(
        "sizing",
        TITLE,
        UNIT,
        rows,
        targets=[
            Target.at_most("advice over the smallest size that does: within 20 %", worst, 20.0)
        ],
        remarks=[
            f"a size does if at most {LATE:.0%} wait longer than {TARGET * 1e3:g} ms",
            "seen at: the size of the pool that was looked at (twice too large, right, too small)",
        ],
    )


def _loads(seconds: int, *, gently: bool = False) -> list[Load]:
    """Return a steady load, one with a slow view in it, one in bursts; gently: for two cores."""
    rng = random.Random(SEED)
    rate = 200.0 if gently else 500.0

    def steady() -> float:
        return rng.expovariate(1 / 0.025)

    def with_reports() -> float:
        return rng.uniform(0.24, 0.36) if rng.random() < 0.04 else rng.uniform(0.004, 0.012)

    starts = at_random(rng, seconds, rate / 20)
    return [
        Load.of("steady", at_random(rng, seconds, rate), steady),
        Load.of("a report now and then", at_random(rng, seconds, rate), with_reports),
        Load.of("ten at once", [start for start in starts for _ in range(10)], steady),
    ]


def _smallest(trial: Callable[[int], Trial], load: Load, guess: int = 0) -> int:
    # Fewer than are out on average are never enough, and take long to show it.
    return fewest(lambda size: trial(size).late > LATE, max(guess, _in_use(load) + 1))


def _in_use(load: Load) -> int:
    return int(sum(load.holds) / load.arrivals[-1])


def _rows(group: str, load: Load, trial: Callable[[int], Trial], smallest: int) -> list[Row]:
    rows = []
    for size in (2 * smallest, smallest, max(_in_use(load) + 1, round(0.7 * smallest))):
        advice = trial(size).advice
        values = {
            "offered": advice.offered,
            "smallest": float(smallest),
            "seen at": float(size),
            "advised": float(advice.size or 0),
            "off by": 100.0 * ((advice.size or 0) - smallest) / smallest,
        }
        found = {name: [value] for name, value in values.items()}
        rows.append(row(load.name, found, UNIT, note=advice.text, group=group))
    return rows


def _simulated(load: Load, seconds: int) -> Callable[[int], Trial]:
    @cache
    def trial(size: int) -> Trial:
        visits = play(load, size)
        window = window_of(visits, seconds, random.Random(SEED))
        return Trial(late_share(visits, TARGET), advise(window, size, target=TARGET))

    return trial


def _real(load: Load, url: str) -> Callable[[int], Trial]:
    @cache
    def trial(size: int) -> Trial:
        with RedisPool.from_url(url, max_connections=size, timeout=2.0) as pool:
            pool.warm_up(size)
            _visit(pool, load)
            late = pool.stats().waits.share_above(TARGET)
            return Trial(late, pool.advice(TARGET))

    return trial


def _visit(pool: RedisPool, load: Load) -> None:
    """Send each request at its moment, however the ones before it fare."""
    due: queue.SimpleQueue[float | None] = queue.SimpleQueue()

    def work() -> None:
        while (hold := due.get()) is not None:
            try:
                with pool.lease(load.name) as client:
                    client.get("key")
                    time.sleep(hold)
            except PoolExhaustedError:
                pass  # it is in the numbers

    began = time.monotonic()
    with threads([work] * _THREADS):
        for at, hold in zip(load.arrivals, load.holds, strict=True):
            pause = began + at - time.monotonic()
            if pause > 0:
                threading.Event().wait(pause)
            due.put(hold)
        for _ in range(_THREADS):
            due.put(None)
