"""Too many come: who goes first, for whom some is kept, and who is sent away; among tasks.

The twin of tests/pooling/test_overload.py: the same promises under the same names.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import pytest

from redis_pool_ext import (
    AsyncRedisPool,
    ConfigError,
    ConnectionPoolTimeoutError,
    PoolClosedError,
    PoolQueueFullError,
    Priority,
    lease_scope,
)

from ..support.pools import tell_of_overload
from .stub import StubAsyncConnection
from .tasks import start, wait_until


def stub_pool(max_connections: int = 1, timeout: float = 30.0, **kwargs: Any) -> AsyncRedisPool:
    return AsyncRedisPool(StubAsyncConnection, max_connections, timeout, **kwargs)


def overloaded_pool(room: int, *, target: float = 60.0) -> AsyncRedisPool:
    """Return a pool that has been told of overload, for as long as the test takes."""
    pool = stub_pool(queue_discipline="codel", queue_target=target, queue_interval=600.0)
    tell_of_overload(pool, room)
    return pool


class Queue:
    """Callers who come one after the other, and the order in which they are served."""

    def __init__(self, pool: AsyncRedisPool) -> None:
        self.pool = pool
        self.served: list[str] = []
        self.callers: dict[str, asyncio.Task[None]] = {}

    async def join(self, name: str, priority: Priority = Priority.NORMAL) -> None:
        waiting = self.pool.stats().waiting
        self.callers[name] = start(self._borrow(name, priority))
        await wait_until(lambda: self.pool.stats().waiting > waiting)

    async def _borrow(self, name: str, priority: Priority) -> None:
        connection = await self.pool.get_connection(priority=priority)
        self.served.append(name)
        await self.pool.release(connection)

    async def all(self) -> list[str]:
        for caller in self.callers.values():
            await caller
        return self.served


class TestPriority:
    """Of several who wait, those of a higher one go first."""

    async def test_higher_priority_is_served_first(self):
        """Whenever it came; those of one priority in the order of arrival."""
        pool = stub_pool()
        queue, kept = Queue(pool), await pool.get_connection()
        for name, priority in [
            ("report", Priority.LOW),
            ("page", Priority.NORMAL),
            ("health", Priority.HIGH),
            ("other page", Priority.NORMAL),
        ]:
            await queue.join(name, priority)
        await pool.release(kept)

        assert await queue.all() == ["health", "page", "other page", "report"]

    async def test_leases_carry_the_priority_of_their_scope(self):
        """A request says once who it is."""
        pool = stub_pool(hold="request")
        queue, kept = Queue(pool), await pool.get_connection()
        await queue.join("page")

        async def login() -> None:
            with lease_scope("login", priority="high") as scope:
                await scope.client(pool).connection_pool.get_connection()
                queue.served.append("login")

        queue.callers["login"] = start(login())
        await wait_until(lambda: pool.stats().waiting == 2)
        await pool.release(kept)

        assert await queue.all() == ["login", "page"]

    async def test_full_queue_makes_room_for_a_higher_priority(self):
        """Who came last of the lowest one is told that it is full; the bound is kept."""
        pool = stub_pool(max_waiting=2)
        queue, kept = Queue(pool), await pool.get_connection()
        await queue.join("report", Priority.LOW)
        await queue.join("late report", Priority.LOW)
        queue.callers["login"] = start(queue._borrow("login", Priority.HIGH))
        with pytest.raises(PoolQueueFullError, match="queued already"):
            await queue.callers.pop("late report")
        assert pool.stats().waiting == 2
        await pool.release(kept)

        assert await queue.all() == ["login", "report"]
        assert pool.stats().queue_full == 1

    async def test_full_queue_makes_no_room_for_the_same_priority(self):
        """Who came before has its place."""
        pool = stub_pool(max_waiting=1)
        queue, kept = Queue(pool), await pool.get_connection()
        await queue.join("first", Priority.HIGH)
        with pytest.raises(PoolQueueFullError):
            await pool.get_connection(priority=Priority.HIGH)
        await pool.release(kept)

        assert await queue.all() == ["first"]

    async def test_priority_that_is_none_is_told_to_who_has_to_wait(self):
        """By its argument, and nothing is left in the queue; a name is as good as the constant."""
        pool = stub_pool(timeout=0.0)
        kept = await pool.get_connection()
        with pytest.raises(ConfigError, match="priority: 'urgent' is not a priority"):
            await pool.get_connection(priority="urgent")
        with pytest.raises(ConnectionPoolTimeoutError):
            await pool.get_connection(priority="high")
        await pool.release(kept)

        assert pool.stats().waiting == 0

    async def test_closed_pool_sends_everybody_away(self):
        """Of whatever priority."""
        pool = stub_pool()
        queue, kept = Queue(pool), await pool.get_connection()
        for priority in Priority:
            await queue.join(priority.name, priority)
        await pool.close()
        await pool.release(kept)

        for caller in queue.callers.values():
            with pytest.raises(PoolClosedError):
                await caller


class TestReserved:
    """Connections that are kept for a priority, and those above it."""

    def pool(self) -> AsyncRedisPool:
        return stub_pool(4, 0.0, reserved={"high": 1, "normal": 1})

    async def test_each_priority_has_what_is_not_kept_from_it(self):
        """Of four: two for all, one more from "normal" up, the last one for "high"."""
        pool, kept = self.pool(), []
        for priority, number in ((Priority.LOW, 2), (Priority.NORMAL, 1), (Priority.HIGH, 1)):
            kept += [await pool.get_connection(priority=priority) for _ in range(number)]
            with pytest.raises(ConnectionPoolTimeoutError):
                await pool.get_connection(priority=priority)

        assert pool.stats().in_use == 4

    async def test_idle_connections_are_kept_as_those_to_be_made_are(self):
        """It does not matter which one is there."""
        pool = self.pool()
        for connection in [await pool.get_connection(priority=Priority.HIGH) for _ in range(4)]:
            await pool.release(connection)
        low = [await pool.get_connection(priority=Priority.LOW) for _ in range(2)]

        with pytest.raises(ConnectionPoolTimeoutError, match="idle=2"):
            await pool.get_connection(priority=Priority.LOW)
        assert await pool.get_connection() not in low

    async def test_waiter_of_a_low_priority_is_served_when_enough_are_back(self):
        """Not by the first one that comes back: that is the one that is kept free."""
        pool = stub_pool(2, reserved={"high": 1})
        one, two = [await pool.get_connection(priority=Priority.HIGH) for _ in range(2)]
        queue = Queue(pool)
        await queue.join("page")
        await pool.release(one)
        assert await pool.get_connection(priority=Priority.HIGH) is one
        await pool.release(two)
        assert pool.stats().waiting == 1
        await pool.release(one)

        assert await queue.all() == ["page"]

    async def test_pool_that_shrinks_keeps_one_for_everybody(self):
        """Else those of a low priority would wait for ever."""
        pool = self.pool()
        pool.resize(1)

        assert await pool.get_connection(priority=Priority.LOW)


class TestShedding:
    """With `queue_discipline="codel"`, in overload."""

    async def test_newcomer_beyond_the_room_is_sent_away_at_once(self):
        """Others wait already, as many as can be served in time."""
        pool = overloaded_pool(room=1)
        queue = Queue(pool)
        kept = await pool.get_connection()
        await queue.join("first")
        with pytest.raises(PoolQueueFullError, match=r"longer than 60 s .*QUEUE_TARGET"):
            await pool.get_connection()
        await pool.release(kept)

        assert await queue.all() == ["first"]
        stats = pool.stats()
        assert (stats.shed, stats.queue_full, stats.refused) == (1, 0, 1)

    async def test_room_is_counted_by_those_who_go_first(self):
        """A login is not sent away for the sake of reports."""
        pool = overloaded_pool(room=1)
        queue = Queue(pool)
        kept = await pool.get_connection()
        await queue.join("report", Priority.LOW)
        await queue.join("login", Priority.HIGH)
        await pool.release(kept)

        assert await queue.all() == ["login", "report"]
        assert pool.stats().shed == 0

    async def test_who_waits_for_too_long_is_sent_away(self):
        """Long before its timeout, and though nothing comes back."""
        pool = overloaded_pool(room=5, target=0.01)
        kept = await pool.get_connection()
        with pytest.raises(PoolQueueFullError):
            await pool.get_connection()

        assert pool.stats().shed == 1
        await pool.release(kept)

    async def test_nothing_is_lost_when_many_are_sent_away(self, url):
        """On a real server: a crowd that makes the overload itself, until it is noticed."""
        async with AsyncRedisPool.from_url(
            url,
            max_connections=2,
            timeout=20,
            queue_discipline="codel",
            queue_target=0.002,
            queue_interval=0.02,
        ) as pool:
            crowd = [start(self._come(pool)) for _ in range(12)]
            for each in crowd:
                await each
            stats = pool.stats()
            async with pool.lease() as client:
                assert await client.ping()

        assert stats.shed > 0
        assert (stats.in_use, stats.waiting) == (0, 0)
        assert stats.acquired + stats.refused == stats.waits.total
        assert stats.released == stats.acquired

    async def _come(self, pool: AsyncRedisPool) -> None:
        end = time.monotonic() + 20
        while not pool.stats().shed:
            assert time.monotonic() < end, "nobody noticed the overload"
            try:
                async with pool.lease() as client:
                    await client.blpop("nothing", 0.005)
            except PoolQueueFullError:
                pass

    async def test_overload_that_is_over_is_forgotten(self):
        """Somebody comes long after, and finds the pool as it was."""
        pool = overloaded_pool(room=1)
        codel = pool._ledger.codel
        assert codel is not None
        codel._began = -math.inf
        await pool.release(await pool.get_connection())

        assert not codel.is_overloaded
        assert not pool._ledger.lends_by_turn

    async def test_one_long_wait_is_no_overload(self):
        """The queue was empty after it, whoever comes and whatever happens then."""
        pool = stub_pool(queue_discipline="codel", queue_target=1e-9, queue_interval=600.0)
        ledger, queue, kept = pool._ledger, Queue(pool), await pool.get_connection()
        assert ledger.codel is not None
        ledger.codel.forget(time.monotonic())
        await queue.join("one")
        await pool.release(kept)
        await queue.all()
        ledger.codel._began -= 900.0
        broken = await pool.get_connection()
        broken.cut()
        await pool.release(broken)  # its slot is offered to whoever waits
        assert not ledger.codel.is_overloaded
        await pool.get_connection()  # by way of the queue, to be dialled

        assert not ledger.codel.is_overloaded

    async def test_paused_pool_sends_nobody_away_early(self):
        """Callers wait within their timeout, for an operator and not for each other."""
        pool = overloaded_pool(room=1, target=1e-9)
        queue = Queue(pool)
        pool.pause()
        for name in ("one", "two", "three"):
            await queue.join(name)
        pool._look_for_who_waits()
        assert (pool.stats().waiting, pool.stats().shed) == (3, 0)
        for waiter in pool._ledger.queue:
            waiter.since -= 6000.0  # it was a long pause
        pool.resume()

        assert await queue.all() == ["one", "two", "three"]

    async def test_caller_whose_idle_connection_was_dead_is_not_taken_for_an_old_one(self):
        """It has waited since it queued up, not since the clock began."""
        pool = overloaded_pool(room=1)
        await pool.release(await pool.get_connection())
        pool._ledger.generation += 1  # it is of the one before
        pool._ledger.lends_by_turn = False  # overload was noticed just after it came

        await pool.release(await pool.get_connection())
        assert pool.stats().shed == 0
        assert pool.stats().acquired == 2

    async def test_pool_in_the_order_of_arrival_sends_nobody_away(self):
        """The default: everybody may wait for its whole timeout."""
        assert stub_pool()._ledger.codel is None
