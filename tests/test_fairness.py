"""Many threads on few connections: everybody is served alike, and nobody is lost."""

from __future__ import annotations

import random
import threading
import time

from redis_pool_ext import ConnectionPoolTimeoutError, RedisPool

from .support.stub import StubConnection
from .support.threads import spawn


def test_64_threads_on_10_connections_are_served_alike(url):
    """The least served thread gets at least 0.9 of the most served, on a real server."""
    with RedisPool.from_url(url, max_connections=10, timeout=10) as pool:
        served = [0] * 64
        start, stop = threading.Barrier(64), threading.Event()

        def work(number: int) -> None:
            start.wait()
            while not stop.is_set():
                with pool.lease() as client:
                    client.ping()
                served[number] += 1

        threads = [spawn(work, number) for number in range(64)]
        stop.wait(3)
        stop.set()
        for thread in threads:
            thread.result()
        stats = pool.stats()

    assert min(served) >= 0.9 * max(served), served
    assert stats.in_use == stats.waiting == 0
    assert stats.created <= 10


def test_random_timeouts_lose_and_double_nothing():
    """Threads with all sorts of patience: no connection is held by two, none is lost."""
    pool = RedisPool(StubConnection, max_connections=2, timeout=10)
    holders: dict[int, int] = {}
    doubled, outcomes = [], []

    def work(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(150):
            pool.timeout = dice.uniform(0.0, 0.004)
            try:
                connection = pool.get_connection()
            except ConnectionPoolTimeoutError:
                outcomes.append("timeout")
                continue
            if holders.setdefault(id(connection), seed) != seed:
                doubled.append(connection)
            time.sleep(dice.uniform(0.0, 0.001))
            del holders[id(connection)]
            pool.release(connection)
            outcomes.append("served")

    for thread in [spawn(work, seed) for seed in range(12)]:
        thread.result()
    stats = pool.stats()

    assert doubled == []
    assert (stats.in_use, stats.waiting, stats.connecting) == (0, 0, 0)
    assert stats.idle == stats.created <= 2
    assert outcomes.count("served") == stats.acquired
    assert outcomes.count("timeout") == stats.timed_out
    assert {"served", "timeout"} == set(outcomes)
