"""Observers: told of what happens in every pool, and felt by nobody while there is none."""

from __future__ import annotations

import asyncio
import dis
import gc
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from redis_pool_ext import (
    AsyncRedisPool,
    ConnectionPoolTimeoutError,
    PoolClosedError,
    PoolQueueFullError,
    PoolUnavailableError,
    RedisPool,
)
from redis_pool_ext.observing import Observer, add_observer, remove_observer

from .support.stub import StubConnection
from .support.threads import spawn, wait_until


class Witness(Observer):
    """Notes each event, and whether the pool's lock was held as it was told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.under_lock: list[bool] = []

    def _note(self, pool: Any, *event: Any) -> None:
        self.events.append(event)
        self.under_lock.append(pool._lock._is_owned())

    def obtained(self, pool, waited, took):
        self._note(pool, "obtained", waited, took)

    def refused(self, pool, waited, took, reason):
        self._note(pool, "refused", waited, took, reason)

    def returned(self, pool, held):
        self._note(pool, "returned", held)

    def made(self, pool, took):
        self._note(pool, "made", took)

    def not_made(self, pool):
        self._note(pool, "not_made")

    def closed(self, pool, reason):
        self._note(pool, "closed", reason)

    def named(self, name: str) -> list[tuple[Any, ...]]:
        return [event for event in self.events if event[0] == name]

    @property
    def names(self) -> list[str]:
        return [event[0] for event in self.events]


@pytest.fixture
def witness() -> Iterator[Witness]:
    """An observer of this test alone."""
    witness = Witness()
    add_observer(witness)
    yield witness
    remove_observer(witness)


def make_pool(**settings: Any) -> RedisPool:
    settings = {"max_connections": 1, "timeout": 5, "housekeeping_interval": None} | settings
    return RedisPool(StubConnection, **settings)


class TestEvents:
    """What is told, of a pool of threads."""

    def test_lease_is_told_from_dial_to_return(self, witness: Witness):
        """A connection was made, obtained, and came back; the next one is there already."""
        pool = make_pool()
        for _ in range(2):
            pool.release(pool.get_connection())

        assert witness.names == ["made", "obtained", "returned", "obtained", "returned"]
        assert [event[1] for event in witness.named("obtained")] == [0.0, 0.0]
        assert not any(witness.under_lock)

    def test_times_are_those_that_the_pool_counts(self, witness: Witness):
        """Waits, holds and dials: the same seconds in both."""
        pool = make_pool()
        out = pool.get_connection()
        waiting = spawn(lambda: pool.release(pool.get_connection()))
        wait_until(lambda: pool.stats().waiting == 1)
        pool.release(out)
        waiting.result()

        stats = pool.stats()
        sums = {name: sum(e[1] for e in witness.named(name)) for name in set(witness.names)}
        assert sums["obtained"] == pytest.approx(stats.wait_seconds) != 0
        assert sums["returned"] == pytest.approx(stats.hold_seconds)
        assert sums["made"] == pytest.approx(stats.create_seconds)
        assert max(event[2] for event in witness.named("obtained")) >= stats.wait_seconds_max

    def test_refusals_are_told_with_their_reason(self, witness: Witness):
        """Time over, queue full, pool closed; with the wait of those who failed."""
        pool = make_pool(timeout=0.01, max_waiting=0)
        held = [pool.get_connection()]
        with pytest.raises(PoolQueueFullError):
            pool.get_connection()
        other = make_pool(timeout=0.01)
        held.append(other.get_connection())
        with pytest.raises(ConnectionPoolTimeoutError):
            other.get_connection()
        other.close()
        with pytest.raises(PoolClosedError):
            other.get_connection()
        other.release(held.pop())

        refused = witness.named("refused")
        assert [event[3] for event in refused] == ["queue_full", "timed_out", "closed"]
        assert refused[1][1] >= 0.01
        assert ("closed", "pool_closed") in witness.events
        assert not any(witness.under_lock)

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (redis.ConnectionError("nobody there"), "unavailable"),
            (redis.AuthenticationError("no"), "failed"),
            (KeyboardInterrupt(), "cancelled"),
        ],
    )
    def test_failed_dial_is_told_as_it_is_counted(self, witness: Witness, error, reason: str):
        """Once as a dial, and once as a request; under the name of the counter."""
        pool = make_pool(script=[error])
        with pytest.raises(BaseException):  # noqa: B017, PT011  any
            pool.get_connection()

        assert witness.names == ["not_made", "refused"]
        assert witness.named("refused")[0][3] == reason
        assert getattr(pool.stats(), reason) == 1

    def test_closed_connection_is_told_with_the_reason(self, witness: Witness):
        """However it ended: broken, stale, drained, dropped, taken away."""
        pool = make_pool(max_connections=2)
        connection = pool.get_connection()
        connection.disconnect()
        pool.release(connection)

        connection = pool.get_connection()
        pool.release(connection)
        connection.slot.expires_at = connection.slot.fresh_until = 0.0  # while it is idle
        pool.forfeit(pool.get_connection())

        pool.release(pool.get_connection())
        pool.drain()
        del connection
        pool.get_connection()
        gc.collect()
        counted = dict(pool.stats().discarded)

        told = [event[1] for event in witness.named("closed")]
        assert {reason: told.count(reason) for reason in told} == counted
        assert {"closed", "drained", "stale", "lost", "forfeited"} <= set(told)
        assert len(witness.named("returned")) == pool.stats().released
        assert not any(witness.under_lock)

    def test_holder_who_dials_again_is_told(self, witness: Witness):
        """A dial is a dial; there was no new request."""
        pool = make_pool()
        connection = pool.get_connection()
        connection.disconnect()
        pool.reconnect(connection)

        assert witness.names == ["made", "obtained", "made"]


class TestTasks:
    """The same of a pool of an event loop."""

    def test_lease_refusal_and_cancellation_are_told(self, witness: Witness, url: str):
        """Made, obtained, refused, cancelled, returned; never under the lock."""

        async def use() -> AsyncRedisPool:
            pool = AsyncRedisPool.from_url(url, max_connections=1, timeout=0.01)
            connection = await pool.get_connection()
            with pytest.raises(ConnectionPoolTimeoutError):
                await pool.get_connection()
            pool.timeout = 5.0
            task = asyncio.create_task(pool.get_connection())
            while not pool.stats().waiting:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await pool.release(connection)
            await pool.release(await pool.get_connection())
            stats = pool.stats()
            assert (stats.acquired, stats.timed_out, stats.cancelled) == (2, 1, 1)
            await pool.close()
            return pool

        asyncio.run(use())
        assert witness.names[:7] == [
            "made", "obtained", "refused", "refused", "returned", "obtained", "returned",
        ]  # fmt: skip
        assert [event[3] for event in witness.named("refused")] == ["timed_out", "cancelled"]
        assert not any(witness.under_lock)


class TestObservers:
    """Who observes, since when, and what that costs."""

    def test_pool_of_before_is_observed_too(self):
        """From the moment on; and not any more after the observer has left."""
        pool, witness = make_pool(), Witness()
        connection = pool.get_connection()
        add_observer(witness)
        pool.release(connection)
        remove_observer(witness)
        pool.release(pool.get_connection())

        assert witness.names == ["returned"]

    def test_child_of_a_fork_is_observed_too(self, witness: Witness):
        """Its pools begin anew, and go on telling."""
        pool = make_pool()
        pool.release(pool.get_connection())
        del witness.events[:]
        pool._begin_anew(pool._ledger)
        pool.release(pool.get_connection())

        assert witness.names == ["made", "obtained", "returned"]

    def test_observer_that_raises_hurts_nobody_and_is_logged_once(self, caplog):
        """Its traceback is in the log; the next failures are not."""

        class Broken(Observer):
            def obtained(self, pool, waited, took):
                raise ZeroDivisionError("its own mistake")

        broken, witness, pool = Broken(), Witness(), make_pool()
        add_observer(broken)
        add_observer(witness)
        try:
            for _ in range(3):
                pool.release(pool.get_connection())
        finally:
            remove_observer(broken)
            remove_observer(witness)

        assert len(witness.named("obtained")) == 3
        [record] = caplog.records
        assert record.exc_info[0] is ZeroDivisionError
        assert "Broken" in record.getMessage()

    def test_quick_ways_go_on_without_observers(self, monkeypatch: pytest.MonkeyPatch):
        """Nobody is asked, and nothing is called, on the ways that every request takes."""
        pool = make_pool(validate_after=None)
        connection = RedisPool._make(pool, pool._slot_to_fill(1), pool._time_to_fill())
        pool._take_in(connection, connection.slot)
        connection.slot.fresh_until = float("inf")
        # Of the pool itself: what is taken from one of its parts, another may have in its place.
        for name in ("_got_it", "_got_nothing", "_release_with_care", "_get_with_care"):
            monkeypatch.setattr(RedisPool, name, None)

        pool.release(pool.get_connection())

    @pytest.mark.parametrize("way", [RedisPool.get_connection, RedisPool.release])
    def test_quick_ways_do_not_know_of_observers(self, way):
        """They ask one flag, which stands for all that is rare."""
        names = {instruction.argval for instruction in dis.get_instructions(way)}

        assert not names & {"observers", "tell", "is_observed"}

    def test_books_have_few_attributes(self):
        """Of an object with more than thirty, Python 3.11 looks each one up slower."""
        pool = make_pool()

        assert len(vars(pool._ledger)) <= 30
        assert len(vars(pool)) <= 30

    def test_many_threads_are_told_each_of_their_own(self, witness: Witness):
        """As many events as requests, and their sums are the pool's."""
        pool, start = make_pool(max_connections=3, timeout=20), threading.Barrier(6)

        def use() -> None:
            start.wait(10)
            for _ in range(200):
                pool.release(pool.get_connection())

        for user in [spawn(use) for _ in range(6)]:
            user.result()

        stats = pool.stats()
        assert len(witness.named("obtained")) == stats.acquired == 1200
        assert len(witness.named("returned")) == stats.released == 1200
        waits = [event[1] for event in witness.named("obtained")]
        assert type(stats.waits).from_times(waits).counts == stats.waits.counts
        holds = [event[1] for event in witness.named("returned")]
        assert type(stats.holds).from_times(holds).counts == stats.holds.counts


class TestLongWaits:
    """What the log has of who waited for long."""

    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
        monkeypatch.setattr("redis_pool_ext.pooling.telling.LONG_WAIT", 0.0)
        caplog.set_level(logging.INFO, "redis_pool_ext")

    @staticmethod
    def said(caplog) -> list[str]:
        return [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]

    def test_long_wait_of_one_who_is_served_is_logged(self, caplog):
        """With its seconds, and the pool's sizes."""
        pool = make_pool()
        pool.release(pool.get_connection())

        [line] = self.said(caplog)
        assert line.startswith("default: somebody waited 0.0")
        assert "and has one" in line
        assert "in_use=1 idle=0 waiting=0 max=1" in line

    def test_long_wait_in_vain_is_logged(self, caplog):
        """Under the name of how it ended."""
        pool = make_pool(timeout=0.01)
        held = pool.get_connection()
        caplog.clear()
        pool._long_waits._at = float("-inf")
        with pytest.raises(ConnectionPoolTimeoutError):
            pool.get_connection()

        pool.release(held)
        [line] = self.said(caplog)
        assert "in vain (timed_out); 0.01" in line

    def test_many_long_waits_are_one_line(self, caplog):
        """The next one says how many were not told."""
        pool = make_pool(timeout=0)
        held = pool.get_connection()
        for _ in range(5):
            with pytest.raises(ConnectionPoolTimeoutError):
                pool.get_connection()
        pool._long_waits._at = float("-inf")
        with pytest.raises(ConnectionPoolTimeoutError):
            pool.get_connection()

        pool.release(held)
        first, second = self.said(caplog)
        assert first.endswith("0 more long waits since the last report")
        assert second.endswith("5 more long waits since the last report")

    def test_short_wait_is_not_logged(self, caplog, monkeypatch: pytest.MonkeyPatch):
        """A tenth of a second is long; less is daily life."""
        monkeypatch.setattr("redis_pool_ext.pooling.telling.LONG_WAIT", 10.0)
        pool = make_pool(timeout=0.01)
        held = pool.get_connection()
        with pytest.raises(ConnectionPoolTimeoutError):
            pool.get_connection()

        pool.release(held)
        assert self.said(caplog) == []

    def test_server_that_is_down_costs_no_wait_and_no_line(self, caplog, monkeypatch):
        """Who is refused at once has waited for nothing."""
        monkeypatch.setattr("redis_pool_ext.pooling.telling.LONG_WAIT", 0.1)
        pool = make_pool(script=[redis.ConnectionError("nobody there")])
        with pytest.raises(PoolUnavailableError):
            pool.get_connection()

        assert self.said(caplog) == []
