"""Too many come: who goes first, for whom some is kept, and who is sent away."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from redis_pool_ext import (
    ConfigError,
    ConnectionPoolTimeoutError,
    PoolClosedError,
    PoolQueueFullError,
    Priority,
    RedisPool,
    lease_scope,
)
from redis_pool_ext.books.records import Refusal, Waiter

from ..support.pools import tell_of_overload
from ..support.stub import StubConnection
from ..support.threads import Spawned, spawn, wait_until


def stub_pool(max_connections: int = 1, timeout: float = 30.0, **kwargs: Any) -> RedisPool:
    return RedisPool(StubConnection, max_connections, timeout, **kwargs)


def overloaded_pool(room: int, *, target: float = 60.0) -> RedisPool:
    """Return a pool that has been told of overload, for as long as the test takes."""
    pool = stub_pool(queue_discipline="codel", queue_target=target, queue_interval=600.0)
    tell_of_overload(pool, room)
    return pool


class Queue:
    """Callers who come one after the other, and the order in which they are served."""

    def __init__(self, pool: RedisPool) -> None:
        self.pool = pool
        self.served: list[str] = []
        self.callers: dict[str, Spawned] = {}

    def join(self, name: str, priority: Priority = Priority.NORMAL) -> None:
        waiting = self.pool.stats().waiting
        self.callers[name] = spawn(self._borrow, name, priority)
        wait_until(lambda: self.pool.stats().waiting > waiting)

    def _borrow(self, name: str, priority: Priority) -> None:
        connection = self.pool.get_connection(priority=priority)
        self.served.append(name)
        self.pool.release(connection)

    def all(self) -> list[str]:
        for caller in self.callers.values():
            caller.result()
        return self.served


class TestPriority:
    """Of several who wait, those of a higher one go first."""

    def test_higher_priority_is_served_first(self):
        """Whenever it came; those of one priority in the order of arrival."""
        pool = stub_pool()
        queue, kept = Queue(pool), pool.get_connection()
        for name, priority in [
            ("report", Priority.LOW),
            ("page", Priority.NORMAL),
            ("health", Priority.HIGH),
            ("other page", Priority.NORMAL),
        ]:
            queue.join(name, priority)
        pool.release(kept)

        assert queue.all() == ["health", "page", "other page", "report"]

    def test_leases_carry_the_priority_of_their_scope(self):
        """A request says once who it is."""
        pool = stub_pool(hold="request")
        queue, kept = Queue(pool), pool.get_connection()
        queue.join("page")

        def login() -> None:
            with lease_scope("login", priority="high") as scope:
                scope.client(pool).connection_pool.get_connection()
                queue.served.append("login")

        queue.callers["login"] = spawn(login)
        wait_until(lambda: pool.stats().waiting == 2)
        pool.release(kept)

        assert queue.all() == ["login", "page"]

    def test_full_queue_makes_room_for_a_higher_priority(self):
        """Who came last of the lowest one is told that it is full; the bound is kept."""
        pool = stub_pool(max_waiting=2)
        queue, kept = Queue(pool), pool.get_connection()
        queue.join("report", Priority.LOW)
        queue.join("late report", Priority.LOW)
        queue.callers["login"] = spawn(queue._borrow, "login", Priority.HIGH)
        with pytest.raises(PoolQueueFullError, match="queued already"):
            queue.callers.pop("late report").result()
        assert pool.stats().waiting == 2
        pool.release(kept)

        assert queue.all() == ["login", "report"]
        assert pool.stats().queue_full == 1

    def test_full_queue_makes_no_room_for_the_same_priority(self):
        """Who came before has its place."""
        pool = stub_pool(max_waiting=1)
        queue, kept = Queue(pool), pool.get_connection()
        queue.join("first", Priority.HIGH)
        with pytest.raises(PoolQueueFullError):
            pool.get_connection(priority=Priority.HIGH)
        pool.release(kept)

        assert queue.all() == ["first"]

    def test_priority_that_is_none_is_told_to_who_has_to_wait(self):
        """By its argument, and nothing is left in the queue; a name is as good as the constant."""
        pool = stub_pool(timeout=0.0)
        kept = pool.get_connection()
        with pytest.raises(ConfigError, match="priority: 'urgent' is not a priority"):
            pool.get_connection(priority="urgent")
        with pytest.raises(ConnectionPoolTimeoutError):
            pool.get_connection(priority="high")
        pool.release(kept)

        assert pool.stats().waiting == 0

    def test_closed_pool_sends_everybody_away(self):
        """Of whatever priority."""
        pool = stub_pool()
        queue, kept = Queue(pool), pool.get_connection()
        for priority in Priority:
            queue.join(priority.name, priority)
        pool.close()
        pool.release(kept)

        for caller in queue.callers.values():
            with pytest.raises(PoolClosedError):
                caller.result()


class TestReserved:
    """Connections that are kept for a priority, and those above it."""

    def pool(self) -> RedisPool:
        return stub_pool(4, 0.0, reserved={"high": 1, "normal": 1})

    def test_each_priority_has_what_is_not_kept_from_it(self):
        """Of four: two for all, one more from "normal" up, the last one for "high"."""
        pool, kept = self.pool(), []
        for priority, number in ((Priority.LOW, 2), (Priority.NORMAL, 1), (Priority.HIGH, 1)):
            kept += [pool.get_connection(priority=priority) for _ in range(number)]
            with pytest.raises(ConnectionPoolTimeoutError):
                pool.get_connection(priority=priority)

        assert pool.stats().in_use == 4

    def test_idle_connections_are_kept_as_those_to_be_made_are(self):
        """It does not matter which one is there."""
        pool = self.pool()
        for connection in [pool.get_connection(priority=Priority.HIGH) for _ in range(4)]:
            pool.release(connection)
        low = [pool.get_connection(priority=Priority.LOW) for _ in range(2)]

        with pytest.raises(ConnectionPoolTimeoutError, match="idle=2"):
            pool.get_connection(priority=Priority.LOW)
        assert pool.get_connection() not in low

    def test_waiter_of_a_low_priority_is_served_when_enough_are_back(self):
        """Not by the first one that comes back: that is the one that is kept free."""
        pool = stub_pool(2, reserved={"high": 1})
        one, two = (pool.get_connection(priority=Priority.HIGH) for _ in range(2))
        queue = Queue(pool)
        queue.join("page")
        pool.release(one)
        assert pool.get_connection(priority=Priority.HIGH) is one
        pool.release(two)
        assert pool.stats().waiting == 1
        pool.release(one)

        assert queue.all() == ["page"]

    def test_pool_that_shrinks_keeps_one_for_everybody(self):
        """Else those of a low priority would wait for ever."""
        pool = self.pool()
        pool.resize(1)

        assert pool.get_connection(priority=Priority.LOW)


class TestShedding:
    """With `queue_discipline="codel"`, in overload."""

    def test_newcomer_beyond_the_room_is_sent_away_at_once(self):
        """Others wait already, as many as can be served in time."""
        pool = overloaded_pool(room=1)
        queue = Queue(pool)
        kept = pool.get_connection()
        queue.join("first")
        with pytest.raises(PoolQueueFullError, match=r"longer than 60 s .*QUEUE_TARGET"):
            pool.get_connection()
        pool.release(kept)

        assert queue.all() == ["first"]
        stats = pool.stats()
        assert (stats.shed, stats.queue_full, stats.refused) == (1, 0, 1)

    def test_room_is_counted_by_those_who_go_first(self):
        """A login is not sent away for the sake of reports."""
        pool = overloaded_pool(room=1)
        queue = Queue(pool)
        kept = pool.get_connection()
        queue.join("report", Priority.LOW)
        queue.join("login", Priority.HIGH)
        pool.release(kept)

        assert queue.all() == ["login", "report"]
        assert pool.stats().shed == 0

    def test_who_waits_for_too_long_is_sent_away(self):
        """Long before its timeout, and though nothing comes back."""
        pool = overloaded_pool(room=5, target=0.01)
        kept = pool.get_connection()
        with pytest.raises(PoolQueueFullError):
            pool.get_connection()

        assert pool.stats().shed == 1
        pool.release(kept)

    def test_nothing_is_lost_when_many_are_sent_away(self, url):
        """On a real server: a crowd that makes the overload itself, until it is noticed."""
        with RedisPool.from_url(
            url,
            max_connections=2,
            timeout=20,
            queue_discipline="codel",
            queue_target=0.002,
            queue_interval=0.02,
        ) as pool:
            crowd = [spawn(self._come, pool) for _ in range(12)]
            for each in crowd:
                each.result()
            stats = pool.stats()
            with pool.lease() as client:
                assert client.ping()

        assert stats.shed > 0
        assert (stats.in_use, stats.waiting) == (0, 0)
        assert stats.acquired + stats.refused == stats.waits.total
        assert stats.released == stats.acquired

    def _come(self, pool: RedisPool) -> None:
        end = time.monotonic() + 20
        while not pool.stats().shed:
            assert time.monotonic() < end, "nobody noticed the overload"
            try:
                with pool.lease() as client:
                    client.blpop("nothing", 0.005)
            except PoolQueueFullError:
                pass

    def test_overload_that_is_over_is_forgotten(self):
        """Somebody comes long after, and finds the pool as it was."""
        pool = overloaded_pool(room=1)
        codel = pool._ledger.codel
        assert codel is not None
        codel._began = -math.inf
        pool.release(pool.get_connection())

        assert not codel.is_overloaded
        assert not pool._ledger.lends_by_turn

    def test_one_long_wait_is_no_overload(self):
        """The queue was empty after it, whoever comes and whatever happens then."""
        pool = stub_pool(queue_discipline="codel", queue_target=1e-9, queue_interval=600.0)
        ledger, queue, kept = pool._ledger, Queue(pool), pool.get_connection()
        assert ledger.codel is not None
        ledger.codel.forget(time.monotonic())
        queue.join("one")
        pool.release(kept)
        queue.all()
        ledger.codel._began -= 900.0
        broken = pool.get_connection()
        broken.disconnect()
        pool.release(broken)  # its slot is offered to whoever waits
        assert not ledger.codel.is_overloaded
        pool.get_connection()  # by way of the queue, to be dialled

        assert not ledger.codel.is_overloaded

    def test_paused_pool_sends_nobody_away_early(self):
        """Callers wait within their timeout, for an operator and not for each other."""
        pool = overloaded_pool(room=1, target=1e-9)
        queue = Queue(pool)
        pool.pause()
        for name in ("one", "two", "three"):
            queue.join(name)
        pool._look_for_who_waits()
        assert (pool.stats().waiting, pool.stats().shed) == (3, 0)
        for waiter in pool._ledger.queue:
            waiter.since -= 6000.0  # it was a long pause
        pool.resume()

        assert queue.all() == ["one", "two", "three"]

    def test_pause_in_the_middle_of_serving_ends_it(self):
        """A signal handler's, in the thread that has the lock: nothing is given after it."""
        pool = stub_pool(2)
        queue, kept = Queue(pool), [pool.get_connection() for _ in range(2)]
        queue.join("one")
        queue.join("two")
        ledger = pool._ledger
        dismiss = ledger.queue.dismiss

        def pause_after(waiter: Waiter) -> None:
            dismiss(waiter)
            pool.pause()

        ledger.queue.dismiss = pause_after
        with pool._lock:
            for connection in kept:
                ledger.claim(connection.slot, time.monotonic())
                ledger.shelve(connection, connection.slot, time.monotonic())
            ledger.serve(time.monotonic())
        queue.callers["one"].result()
        assert pool.stats().waiting == 1
        ledger.queue.dismiss = dismiss
        pool.resume()

        assert queue.all() == ["one", "two"]

    def test_caller_whose_idle_connection_was_dead_is_not_taken_for_an_old_one(self):
        """It has waited since it queued up, not since the clock began."""
        pool = overloaded_pool(room=1)
        pool.release(pool.get_connection())
        pool._ledger.generation += 1  # it is of the one before
        pool._ledger.lends_by_turn = False  # overload was noticed just after it came

        pool.release(pool.get_connection())
        assert pool.stats().shed == 0
        assert pool.stats().acquired == 2

    def test_caller_who_comes_back_too_late_is_told_that_it_was_overload(self):
        """What it was given proved dead, and there is room: it is sent away before it is served."""
        ledger = overloaded_pool(room=1, target=1.0)._ledger
        waiter, now = Waiter(60), time.monotonic()
        waiter.ticket, waiter.since = 1, now - 60

        assert not ledger.line_up(waiter, now)
        assert (waiter.gift, waiter.refusal) == (None, Refusal.SHED)

    def test_pool_in_the_order_of_arrival_sends_nobody_away(self):
        """The default: everybody may wait for its whole timeout."""
        assert stub_pool()._ledger.codel is None
