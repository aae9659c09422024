"""Requests that come no matter how the last ones fared, up to four times too many.

Each needs a connection for 5 ms, and its visitor has gone after 200 ms: work that is done
later than that was done for nobody. Goodput is what was done in time, as a share of what
this machine can do with the same threads and connections and no queue at all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf
from random import Random
from statistics import median, quantiles
from typing import Any, NamedTuple

import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.embedded import EmbeddedRedis

from . import harness
from .entries import Borrowing, Entry
from .harness import Curve, Effort, Result, Row, beaten, rotated

__all__ = ["CONTENDERS", "LOADS", "TITLE", "Entry", "Outcome", "capacity", "measure", "offer"]

TITLE = "Overload: 10 connections, 5 ms of work, visitors who leave after 200 ms"

UNIT = {
    "goodput": "%",
    "served": "%",
    "p50": "ms",
    "p99": "ms",
    "refused": "%",
    "late": "ms",
}

CONNECTIONS = 10
WORK = 0.005  # seconds that a request keeps its connection for
PATIENCE = 0.2  # seconds, of the visitor; the pool's timeout is the same
LOADS = (1.0, 2.0, 3.0, 4.0)  # times the capacity
ROUNDS = 3
SECONDS = 1.5  # times as long as other benchmarks: the queue has to fill first
SLACK = 0.1  # seconds by which a thread's next request comes after its last one can end

OURS = "redis_pool_ext"
QUEUE = CONNECTIONS * round(PATIENCE / WORK / 2)  # those who can be served in half the time


class Served(NamedTuple):
    """One request that got its connection: seconds since the start, and from there to its end."""

    arrival: float
    seconds: float


class _Request(NamedTuple):
    late: float
    served: Served | None


class Outcome(NamedTuple):
    """How it went at one load."""

    offered: int
    served: list[Served]
    late: list[float]  # seconds from each arrival until this machine found the time for it
    duration: float

    @property
    def refused(self) -> int:
        """How many got no connection."""
        return self.offered - len(self.served)

    def throughput(self, within: float = inf) -> float:
        """Return how many a second were served so fast.

        Without those whose end is after the last arrival: the queue that is left then would
        look like capacity.
        """
        done = sum(
            each.seconds <= within and each.arrival + each.seconds <= self.duration
            for each in self.served
        )
        return done / self.duration


def measure(effort: Effort) -> Result:
    """Offer each load to each pool, in turn; returns a group of rows per load, and curves."""
    rounds = effort.count(ROUNDS)
    found: dict[tuple[float, str], list[Row]] = {}
    with EmbeddedRedis() as server:
        for turn in range(rounds):
            most = capacity(effort.seconds / 2)
            for load in LOADS:
                for entry in rotated(CONTENDERS, turn):
                    outcome = offer(
                        entry, server.port, load * most, effort.seconds * SECONDS, seed=turn
                    )
                    found.setdefault((load, entry.name), []).append(
                        _row(entry, load, outcome, most)
                    )
    rows = [_medians(found[load, entry.name]) for load in LOADS for entry in CONTENDERS]
    curves = [
        _curve(rows, "goodput", "goodput (% of capacity)"),
        _curve(rows, "p99", "p99 of the served (ms)"),
    ]
    return Result(
        "overload",
        TITLE,
        UNIT,
        rows,
        curves=curves,
        remarks=[SERVED, *beaten(rows, "goodput", REASONS, more_is_better=True)],
    )


def capacity(seconds: float) -> float:
    """Return how many requests a second this machine serves, each thread its connection."""
    done = [0] * CONNECTIONS
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        while time.perf_counter() < end:
            time.sleep(WORK)
            done[number] += 1

    began = time.perf_counter()
    _run([partial(work, number) for number in range(CONNECTIONS)])
    return sum(done) / (time.perf_counter() - began)


def offer(entry: Entry, port: int, rate: float, seconds: float, *, seed: int) -> Outcome:
    """Let requests arrive at random, `rate` a second; the same ones for the same seed."""
    arrivals = list(_arrivals(rate, seconds, Random(seed)))
    # Each thread has its own arrivals, so far apart that the one before has ended: nobody
    # hands them out, and nobody is late because another request took long.
    crowd = round(rate * (PATIENCE + WORK + SLACK)) + CONNECTIONS
    with entry.open(port) as pool:
        ready = threading.Barrier(crowd + 1)
        start: list[float] = []
        found: list[list[_Request]] = [[] for _ in range(crowd)]

        def visit(number: int) -> None:
            ready.wait()
            ready.wait()
            for at in arrivals[number::crowd]:
                found[number].append(_request(pool, start[0], at))

        def begin() -> None:
            ready.wait()
            start.append(time.perf_counter() + SLACK)
            ready.wait()

        _run([begin, *(partial(visit, number) for number in range(crowd))])
    requests = [each for some in found for each in some]
    served = [each.served for each in requests if each.served is not None]
    return Outcome(len(requests), served, [each.late for each in requests], seconds)


def _arrivals(rate: float, seconds: float, random: Random) -> Iterator[float]:
    at = random.expovariate(rate)
    while at < seconds:
        yield at
        at += random.expovariate(rate)


def _request(pool: Borrowing, start: float, at: float) -> _Request:
    arrival = start + at
    time.sleep(max(0.0, arrival - time.perf_counter()))
    late = time.perf_counter() - arrival
    try:
        connection = pool.get()
    except redis.ConnectionError:
        return _Request(late, None)
    time.sleep(WORK)
    pool.put(connection)
    return _Request(late, Served(at, time.perf_counter() - arrival))


def _run(jobs: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# -- the pools -------------------------------------------------------------------------------


@contextmanager
def _ours(port: int, **options: Any) -> Iterator[Borrowing]:
    with RedisPool(host="127.0.0.1", port=port, max_connections=CONNECTIONS, **options) as pool:
        yield _filled(pool)


@contextmanager
def _blocking(port: int) -> Iterator[Borrowing]:
    pool = redis.BlockingConnectionPool(host="127.0.0.1", port=port, max_connections=CONNECTIONS)
    try:
        yield _filled(pool)
    finally:
        pool.disconnect()


def _filled(pool: Any) -> Borrowing:
    """Make all connections before the timeout is set: this is not about dials."""
    for connection in [pool.get_connection() for _ in range(CONNECTIONS)]:
        pool.release(connection)
    pool.timeout = PATIENCE
    return Borrowing(pool.get_connection, pool.release)


CONTENDERS = (
    Entry(OURS, _ours, "`timeout=0.2`"),
    Entry(f"{OURS}, max_waiting", partial(_ours, max_waiting=QUEUE), f"`max_waiting={QUEUE}`, too"),
    Entry("redis-py blocking", _blocking, "`redis.BlockingConnectionPool(timeout=0.2)`"),
)


# -- the result ------------------------------------------------------------------------------


def _row(entry: Entry, load: float, outcome: Outcome, most: float) -> Row:
    times = [each.seconds for each in outcome.served]
    percentiles = quantiles(times, n=100, method="inclusive")
    rounds = {
        "goodput": [100 * outcome.throughput(PATIENCE) / most],
        "served": [100 * outcome.throughput() / most],
        "p50": [percentiles[49]],
        "p99": [percentiles[98]],
        "refused": [100 * outcome.refused / max(1, outcome.offered)],
        "late": [median(outcome.late)],
    }
    return harness.row(
        entry.name, rounds, UNIT, note=entry.note, group=f"{load:g} times the capacity"
    )


def _medians(rows: Sequence[Row]) -> Row:
    rounds = {column: [each.rounds[column][0] for each in rows] for column in UNIT}
    values = {column: median(figures) for column, figures in rounds.items()}
    return rows[0]._replace(values=values, rounds=rounds)


def _curve(rows: Sequence[Row], column: str, label: str) -> Curve:
    series: dict[str, list[tuple[float, float]]] = {entry.name: [] for entry in CONTENDERS}
    for number, each in enumerate(rows):
        load = LOADS[number // len(CONTENDERS)]
        series[each.name].append((load, each.values[column]))
    return Curve(f"Overload: {column}", "offered, times the capacity", label, series)


# Why another goodput can be higher.
REASONS = {
    f"{OURS}, max_waiting": "who is served has waited for half of the timeout, and not all of it",
    "redis-py blocking": "newcomers overtake those who wait, so a few are served at once; the "
    "others are late as ours are. Our queue is in order of arrival: while too many come it is as "
    "long as the timeout allows, and all are late alike; that is what `max_waiting` is for",
}

SERVED = (
    "`served` counts who got a connection and had the work done, also for visitors who had gone "
    "by then. Where it falls below the capacity, this machine is busy with refusing: `late` is how "
    "long after its arrival a request even came to the pool, in the median."
)
