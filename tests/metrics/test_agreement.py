"""All figures agree: the load's own, the pool's, Prometheus' and OpenTelemetry's."""

from __future__ import annotations

import random
import threading
from bisect import bisect_left
from collections import Counter
from itertools import accumulate, pairwise
from time import monotonic, sleep
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from redis_pool_ext import ConnectionPoolTimeoutError, PoolQueueFullError, RedisPool
from redis_pool_ext.histogram import Histogram
from redis_pool_ext.metrics.prometheus import LE, PoolCollector
from redis_pool_ext.metrics.table import BUCKETS
from redis_pool_ext.status import process_report

from ..support.threads import spawn
from .readers import Key, Telemetry, samples, scrape

ALIAS = "agreement"
THREADS, REQUESTS = 12, 40


class Load:
    """Threads that ask in known numbers, hold for known times, and count what they are told."""

    def __init__(self, pool: RedisPool) -> None:
        self.pool = pool
        self.ends: Counter[str] = Counter()
        self.holds: list[float] = []
        self._lock = threading.Lock()
        self._refused = threading.Event()
        self._start = threading.Barrier(THREADS)

    def run(self) -> None:
        self.pool.warm_up(3, timeout=20)  # a dial may take longer than anybody waits here
        for thread in [spawn(self._ask, seed) for seed in range(THREADS)]:
            thread.result(50)

    def _ask(self, seed: int) -> None:
        chance = random.Random(seed)
        self._start.wait(20)
        for _ in range(REQUESTS):
            end, held = self._one(chance.choice([0.0, 0.0, 0.002, 0.006, 0.015]))
            with self._lock:
                self.ends[end] += 1
                if self.ends["timed_out"] and self.ends["queue_full"]:
                    self._refused.set()
                if held is not None:
                    self.holds.append(held)

    def _one(self, seconds: float) -> tuple[str, float | None]:
        try:
            with self.pool.lease() as client:
                client.incr("agreement")
                since = monotonic()
                self._refused.wait(20)  # whatever the machine, some are refused for either reason
                sleep(seconds)
                held = monotonic() - since
        except ConnectionPoolTimeoutError:
            return "timed_out", None
        except PoolQueueFullError:
            return "queue_full", None
        return "acquired", held


@pytest.fixture
def pool(url: str) -> RedisPool:
    """Three connections for twelve threads: most wait, some in vain, some are sent away."""
    return RedisPool.from_url(
        url, alias=ALIAS, max_connections=3, timeout=0.02, max_waiting=6, housekeeping_interval=None
    )


class Figures:
    """What Prometheus and OpenTelemetry say of the pool, at the end and on the way."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry, self._registry = telemetry, CollectorRegistry()
        self._registry.register(PoolCollector())
        self.scrapes: list[dict[Key, float]] = []
        self.told: dict[Key, Any] = {}

    def look(self) -> None:
        self.told = self._telemetry.points(ALIAS)
        self.scrapes.append(samples(scrape(self._registry), ALIAS))

    @property
    def scraped(self) -> dict[Key, float]:
        return self.scrapes[-1]

    def assert_times(self, name: str, times: Histogram) -> None:
        """Of both: each bucket, the count, and the sum."""
        ups, seconds = self.told[f"db.client.connection.{name}",]
        own = [*times.up_to(BUCKETS), times.total]
        metric = f"db_client_connection_{name}_seconds"
        assert ups == own == [self.scraped[f"{metric}_bucket", le] for le in LE], name
        assert self.scraped[f"{metric}_count",] == times.total
        assert self.scraped[f"{metric}_sum",] == times.seconds == pytest.approx(seconds)

    def assert_number(self, name: str, number: float, *attributes: str, kind: str = "") -> None:
        assert self.told[name, *attributes] == number
        assert self.scraped[name.replace(".", "_") + kind, *attributes] == number

    def assert_nothing_has_fallen(self) -> None:
        """Of counters, from one scrape to the next."""
        assert len(self.scrapes) > 2
        for before, after in pairwise(self.scrapes):
            for key, number in before.items():
                if key[0].endswith(("_total", "_bucket", "_sum", "seconds_count")):
                    assert after[key] >= number, key


def test_all_agree_to_the_last_request(pool: RedisPool, telemetry: Telemetry, admin: Any):
    """Every end, every bucket, every second; though all were read in the middle of it."""
    load, figures = Load(pool), Figures(telemetry)
    running = spawn(load.run)
    while running.is_alive():
        figures.look()
        running.join(0.01)
    running.result(50)
    figures.look()
    stats, asked = pool.stats(), THREADS * REQUESTS

    assert {end: getattr(stats, end) for end in load.ends} == dict(load.ends)
    assert min(load.ends[end] for end in ("acquired", "timed_out", "queue_full")) > 0
    assert stats.acquired + stats.refused == stats.waits.total == asked
    assert stats.released == stats.acquired == len(load.holds) == int(admin.get("agreement"))
    assert stats.hold_seconds >= sum(load.holds)

    figures.assert_times("wait_time", stats.waits)
    figures.assert_times("use_time", stats.holds)
    figures.assert_times("create_time", stats.creates)
    timeouts, refused = load.ends["timed_out"], load.ends["queue_full"]
    figures.assert_number("db.client.connection.timeouts", timeouts, kind="_total")
    figures.assert_number("redis_pool.rejections", refused, "queue_full", kind="_total")
    figures.assert_number("db.client.connection.count", stats.idle, "idle")
    figures.assert_number("db.client.connection.count", 0, "used")
    figures.assert_number("db.client.connection.max", 3)
    figures.assert_nothing_has_fallen()


def test_report_of_the_process_agrees(pool: RedisPool, telemetry: Telemetry):
    """What page and commands show is what Prometheus and OpenTelemetry are told."""
    load, figures = Load(pool), Figures(telemetry)
    load.run()
    figures.look()

    [report] = [each for each in process_report()["pools"] if each["alias"] == ALIAS]
    times = {
        name: Histogram(tuple(report["stats"][name]["counts"]), report["stats"][name]["seconds"])
        for name in ("waits", "holds")
    }
    figures.assert_times("wait_time", times["waits"])
    figures.assert_times("use_time", times["holds"])
    figures.assert_number(
        "db.client.connection.timeouts", report["stats"]["timed_out"], kind="_total"
    )
    assert times["waits"].total == THREADS * REQUESTS


def test_buckets_of_holds_are_those_of_the_load(pool: RedisPool):
    """A hold lasts a little longer than the load's own: no bucket has more than its own."""
    load = Load(pool)
    load.run()

    mine = [0] * (len(BUCKETS) + 1)
    for held in load.holds:
        mine[bisect_left(BUCKETS, held)] += 1
    theirs = pool.stats().holds.up_to(BUCKETS)
    assert all(pools <= loads for pools, loads in zip(theirs, accumulate(mine[:-1]), strict=True))
    assert pool.stats().holds.total == len(load.holds)
