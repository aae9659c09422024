"""Waiting for a connection: in order of arrival, and no longer than the timeout."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import redis

from redis_pool_ext import ConnectionPoolTimeoutError, PoolQueueFullError, RedisPool
from redis_pool_ext.deadline import Deadline

from ..support.pools import stub_pool
from ..support.threads import spawn, wait_until


class TestQueueing:
    """Waiting for a connection, in order, up to the timeout."""

    def test_exhausted_pool_raises_after_the_timeout(self):
        """The error says how long was waited, and the numbers."""
        pool = stub_pool(1, timeout=0.05)
        kept = pool.get_connection()

        with pytest.raises(ConnectionPoolTimeoutError) as caught:
            pool.get_connection()

        assert str(caught.value) == (
            'no connection within 0.05 s (pool "default": in_use=1 idle=0 waiting=0 max=1); '
            "raise MAX_CONNECTIONS or hold leases shorter"
        )
        assert isinstance(caught.value, redis.ConnectionError)
        assert caught.value.alias == "default"
        assert caught.value.retry_after >= 1
        assert caught.value.stats.in_use == 1
        pool.release(kept)

    def test_deadline_of_a_caller_is_told_instead_of_the_timeout(self):
        """What was allowed is said, not what others are."""
        pool = stub_pool(1, timeout=30)
        kept = pool.get_connection()

        with pytest.raises(ConnectionPoolTimeoutError, match=r"no connection within 0\.03 s"):
            pool.get_connection(deadline=Deadline(0.03))
        pool.release(kept)

    def test_timeout_zero_does_not_wait(self):
        """timeout=0 is a try."""
        pool = stub_pool(1, timeout=0)
        kept = pool.get_connection()
        began = time.monotonic()

        with pytest.raises(ConnectionPoolTimeoutError):
            pool.get_connection()

        assert time.monotonic() - began < 0.5
        pool.release(kept)

    def test_waiter_gets_the_released_connection(self):
        """What comes back goes to the one who waits."""
        pool = stub_pool(1)
        kept = pool.get_connection()
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        pool.release(kept)

        assert waiter.result() is kept
        stats = pool.stats()
        assert (stats.waited, stats.waiting, stats.in_use) == (1, 0, 1)
        assert stats.wait_seconds > 0

    def test_waiter_whose_waker_was_struck_looks_by_itself(self):
        """It was given a connection, and an exception came before it was woken for that."""
        pool = stub_pool(1, timeout=20)
        connection = pool.get_connection()
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        pool._ledger.queue.dismiss = pool._ledger.queue.leave
        pool.release(connection)

        assert waiter.result(timeout=5) is connection
        assert pool.stats().wait_seconds < 5
        pool.release(connection)

    def test_connection_that_is_handed_over_is_not_looked_at(self, monkeypatch):
        """It was in use as it was given; how long its waiter takes to wake up is no idling."""
        pool = stub_pool(1)
        pool._ledger.fresh_for = 0.1
        connection = pool.get_connection()
        looks: list[Any] = []
        monkeypatch.setattr(RedisPool, "_count_wait", lambda *_args: time.sleep(0.15))
        monkeypatch.setattr(RedisPool, "_is_alive", lambda _self, *args: looks.append(args))
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        pool.release(connection)

        assert waiter.result() is connection
        assert looks == []

    def test_waiters_are_served_in_order_of_arrival(self):
        """First come, first served; a newcomer never overtakes."""
        pool = stub_pool(1)
        kept = pool.get_connection()
        served: list[int] = []

        def borrow(number: int) -> None:
            connection = pool.get_connection()
            served.append(number)
            pool.release(connection)

        waiters = []
        for number in range(8):
            waiters.append(spawn(borrow, number))
            wait_until(lambda n=number: pool.stats().waiting == n + 1)
        pool.release(kept)
        for waiter in waiters:
            waiter.result()

        assert served == list(range(8))

    def test_newcomer_does_not_overtake_a_waiter(self):
        """The releasing thread itself queues behind those who waited."""
        pool = stub_pool(1, timeout=0.05)
        kept = pool.get_connection()
        waiter = spawn(RedisPool.get_connection, pool)
        wait_until(lambda: pool.stats().waiting == 1)
        pool.release(kept)

        with pytest.raises(ConnectionPoolTimeoutError):
            pool.get_connection()
        assert waiter.result() is kept

    def test_expired_waiter_gets_nothing_and_leaves_the_queue(self):
        """After its timeout a waiter is gone: the connection goes to the idle ones."""
        pool = stub_pool(1, timeout=0.02)
        kept = pool.get_connection()
        with pytest.raises(ConnectionPoolTimeoutError):
            pool.get_connection()
        pool.release(kept)
        stats = pool.stats()

        assert (stats.waiting, stats.idle, stats.timed_out) == (0, 1, 1)
        assert stats.wait_seconds > 0  # the wait of the one who failed counts

    def test_full_queue_refuses_at_once(self):
        """`max_waiting` callers wait; one more is refused without a wait."""
        pool = stub_pool(1, max_waiting=1)
        kept = pool.get_connection()
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)

        with pytest.raises(PoolQueueFullError, match="1 callers are queued already"):
            pool.get_connection()
        pool.release(kept)
        waiter.result()
        assert pool.stats().queue_full == 1

    def test_never_more_than_max_connections(self):
        """Many threads at once never hold or dial more than the bound."""
        pool = stub_pool(3)
        high = []

        def borrow() -> None:
            for _ in range(200):
                connection = pool.get_connection()
                stats = pool.stats()
                high.append(stats.in_use + stats.idle + stats.connecting)
                pool.release(connection)

        for thread in [spawn(borrow) for _ in range(12)]:
            thread.result()

        assert max(high) <= 3
        assert pool.stats().idle == pool.stats().created <= 3

    def test_max_connecting_bounds_concurrent_dials(self):
        """A dial storm is cut: the next dial starts when one has ended."""
        gate = threading.Event()
        script = [gate.wait] * 5
        pool = stub_pool(5, max_connecting=2, script=script)
        borrowers = [spawn(pool.get_connection) for _ in range(5)]
        wait_until(lambda: pool.stats().waiting == 3)

        assert pool.stats().connecting == 2
        gate.set()
        assert len({id(b.result()) for b in borrowers}) == 5
