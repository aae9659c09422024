"""Waiting for a connection: in order of arrival, and no longer than the timeout.

The twin of tests/pool/test_queueing.py: the same promises under the same names.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import redis
import redis.asyncio

from redis_pool_ext import AsyncRedisPool, ConnectionPoolTimeoutError, PoolQueueFullError
from redis_pool_ext.deadline import Deadline

from ..pools import stub_pool
from ..tasks import start, wait_until


class TestQueueing:
    """Waiting for a connection, in order, up to the timeout."""

    async def test_exhausted_pool_raises_after_the_timeout(self):
        """The error says how long was waited, and the numbers."""
        pool = stub_pool(1, timeout=0.05)
        kept = await pool.get_connection()

        with pytest.raises(ConnectionPoolTimeoutError) as caught:
            await pool.get_connection()

        assert str(caught.value) == (
            'no connection within 0.05 s (pool "default": in_use=1 idle=0 waiting=0 max=1); '
            "raise MAX_CONNECTIONS or hold leases shorter"
        )
        assert isinstance(caught.value, redis.ConnectionError)
        assert caught.value.alias == "default"
        assert caught.value.retry_after >= 1
        assert caught.value.stats.in_use == 1
        await pool.release(kept)

    async def test_deadline_of_a_caller_is_told_instead_of_the_timeout(self):
        """What was allowed is said, not what others are."""
        pool = stub_pool(1, timeout=30)
        kept = await pool.get_connection()

        with pytest.raises(ConnectionPoolTimeoutError, match=r"no connection within 0\.03 s"):
            await pool.get_connection(deadline=Deadline(0.03))
        await pool.release(kept)

    async def test_timeout_zero_does_not_wait(self):
        """timeout=0 is a try."""
        pool = stub_pool(1, timeout=0)
        kept = await pool.get_connection()
        began = time.monotonic()

        with pytest.raises(ConnectionPoolTimeoutError):
            await pool.get_connection()

        assert time.monotonic() - began < 0.5
        await pool.release(kept)

    async def test_waiter_gets_the_released_connection(self):
        """What comes back goes to the one who waits."""
        pool = stub_pool(1)
        kept = await pool.get_connection()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        await pool.release(kept)

        assert await waiter is kept
        stats = pool.stats()
        assert (stats.waited, stats.waiting, stats.in_use) == (1, 0, 1)
        assert stats.wait_seconds > 0

    async def test_waiter_whose_waker_was_struck_looks_by_itself(self):
        """It was given a connection, and an exception came before it was woken for that.

        A task looks once, as its time is over: what strikes in a loop mostly ends the loop.
        """
        pool = stub_pool(1, timeout=0.2)
        connection = await pool.get_connection()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        pool._ledger.queue.dismiss = pool._ledger.queue.leave
        await pool.release(connection)

        assert await waiter is connection
        await pool.release(connection)

    async def test_connection_that_is_handed_over_is_not_looked_at(self, monkeypatch):
        """It was in use as it was given; how long its waiter takes to wake up is no idling."""
        pool = stub_pool(1)
        pool._ledger.fresh_for = 0.1
        connection = await pool.get_connection()
        looks: list[Any] = []
        monkeypatch.setattr(AsyncRedisPool, "_is_alive", lambda _self, *args: looks.append(args))
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        await pool.release(connection)
        time.sleep(0.15)  # the loop is busy

        assert await waiter is connection
        assert looks == []

    async def test_waiters_are_served_in_order_of_arrival(self):
        """First come, first served; a newcomer never overtakes."""
        pool = stub_pool(1)
        kept = await pool.get_connection()
        served: list[int] = []

        async def borrow(number: int) -> None:
            connection = await pool.get_connection()
            served.append(number)
            await pool.release(connection)

        waiters = []
        for number in range(8):
            waiters.append(start(borrow(number)))
            await wait_until(lambda n=number: pool.stats().waiting == n + 1)
        await pool.release(kept)
        for waiter in waiters:
            await waiter

        assert served == list(range(8))

    async def test_newcomer_does_not_overtake_a_waiter(self):
        """The releasing thread itself queues behind those who waited."""
        pool = stub_pool(1, timeout=0.05)
        kept = await pool.get_connection()
        waiter = start(AsyncRedisPool.get_connection(pool))
        await wait_until(lambda: pool.stats().waiting == 1)
        await pool.release(kept)

        with pytest.raises(ConnectionPoolTimeoutError):
            await pool.get_connection()
        assert await waiter is kept

    async def test_expired_waiter_gets_nothing_and_leaves_the_queue(self):
        """After its timeout a waiter is gone: the connection goes to the idle ones."""
        pool = stub_pool(1, timeout=0.02)
        kept = await pool.get_connection()
        with pytest.raises(ConnectionPoolTimeoutError):
            await pool.get_connection()
        await pool.release(kept)
        stats = pool.stats()

        assert (stats.waiting, stats.idle, stats.timed_out) == (0, 1, 1)
        assert stats.wait_seconds > 0  # the wait of the one who failed counts

    async def test_full_queue_refuses_at_once(self):
        """`max_waiting` callers wait; one more is refused without a wait."""
        pool = stub_pool(1, max_waiting=1)
        kept = await pool.get_connection()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)

        with pytest.raises(PoolQueueFullError, match="1 callers are queued already"):
            await pool.get_connection()
        await pool.release(kept)
        await waiter
        assert pool.stats().queue_full == 1

    async def test_never_more_than_max_connections(self):
        """Many threads at once never hold or dial more than the bound."""
        pool = stub_pool(3)
        high = []

        async def borrow() -> None:
            for _ in range(200):
                connection = await pool.get_connection()
                stats = pool.stats()
                high.append(stats.in_use + stats.idle + stats.connecting)
                await pool.release(connection)

        for task in [start(borrow()) for _ in range(12)]:
            await task

        assert max(high) <= 3
        assert pool.stats().idle == pool.stats().created <= 3

    async def test_max_connecting_bounds_concurrent_dials(self):
        """A dial storm is cut: the next dial starts when one has ended."""
        gate = asyncio.Event()
        script = [gate.wait] * 5
        pool = stub_pool(5, max_connecting=2, script=script)
        borrowers = [start(pool.get_connection()) for _ in range(5)]
        await wait_until(lambda: pool.stats().waiting == 3)

        assert pool.stats().connecting == 2
        gate.set()
        assert len({id(one) for one in await asyncio.gather(*borrowers)}) == 5
