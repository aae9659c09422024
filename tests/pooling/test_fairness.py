"""Many threads on few connections: everybody is served alike, and nobody is lost."""

from __future__ import annotations

import os
import random
import threading
import time

import pytest

from redis_pool_ext import ConnectionPoolTimeoutError, RedisPool
from redis_pool_ext.books.ledger import Ledger
from redis_pool_ext.books.records import Waiter

from ..support.stub import StubConnection
from ..support.threads import spawn, wait_until

SECONDS = 5 if os.environ.get("REDIS_POOL_EXT_LONG") else 1.5


class Crowd:
    """Threads in a tight loop of one command each, and how each of them fared."""

    def __init__(self, pool: RedisPool, threads: int) -> None:
        self.served = [0] * threads
        self.turns = self.worst_turns = 0
        self._count_turns(pool._ledger)
        start, stop = threading.Barrier(threads), threading.Event()

        def work(number: int) -> None:
            start.wait()
            while not stop.is_set():
                with pool.lease() as client:
                    client.ping()
                self.served[number] += 1

        spawned = [spawn(work, number) for number in range(threads)]
        stop.wait(SECONDS)
        stop.set()
        for thread in spawned:
            thread.result()

    def _count_turns(self, ledger: Ledger) -> None:
        """Note how many others are served between a caller's coming and its turn.

        At the pool's own lock: how soon a thread that has its turn also runs is the
        operating system's business.
        """
        came: dict[Waiter, int] = {}
        line_up, dismiss = ledger.line_up, ledger.queue.dismiss

        def noting_line_up(waiter: Waiter, now: float) -> bool:
            came[waiter] = self.turns
            return line_up(waiter, now)

        def noting_dismiss(waiter: Waiter) -> None:
            dismiss(waiter)
            self.worst_turns = max(self.worst_turns, self.turns - came.pop(waiter))
            self.turns += 1

        ledger.line_up, ledger.queue.dismiss = noting_line_up, noting_dismiss

    @property
    def evenness(self) -> float:
        """The least served over the most served."""
        return min(self.served) / max(self.served)


@pytest.mark.parametrize(
    ("threads", "connections", "least"), [(64, 10, 0.9), (32, 8, 0.95)], ids=["64/10", "32/8"]
)
def test_threads_in_a_tight_loop_are_served_alike(url, threads, connections, least):
    """On a real server; the best of six, as a busy machine can put a thread to sleep."""
    with RedisPool.from_url(url, max_connections=connections, timeout=10) as pool:
        assert any(Crowd(pool, threads).evenness >= least for _ in range(6))
        stats = pool.stats()

    assert stats.in_use == stats.waiting == 0
    assert stats.created <= connections


def test_nobody_waits_for_more_turns_than_there_are_others(url):
    """In a tight loop, 32 threads on 8 connections: no turn is given to who came later."""
    with RedisPool.from_url(url, max_connections=8, timeout=10) as pool:
        crowd = Crowd(pool, 32)

    assert sum(crowd.served) > 1000
    assert 0 < crowd.worst_turns <= 31


def test_a_long_queue_wakes_as_seldom_as_a_short_one(monkeypatch):
    """Five thousand threads that woke twenty times a second would leave no time to others."""
    looks = []
    with RedisPool(StubConnection, max_connections=1, timeout=30) as pool:
        held = pool.get_connection()
        waiters = [spawn(lambda: pool.release(pool.get_connection())) for _ in range(100)]
        wait_until(lambda: pool.stats().waiting == 100)
        settle = pool._settle
        monkeypatch.setattr(pool, "_settle", lambda: (looks.append(None), settle()))
        time.sleep(1.5)
        seen = len(looks)
        pool.release(held)
        for waiter in waiters:
            waiter.result()

    assert 0 < seen <= 600  # twenty times a second each were three thousand


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
