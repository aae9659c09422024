"""What is done without the lock: whoever is met there, and wherever, nothing is lost."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from redis_pool_ext import ConnectionPoolTimeoutError, LeaseError, PoolClosedError, RedisPool
from redis_pool_ext.connection import GuardedConnection

from ..support.meetings import Stage, meet_everywhere
from ..support.stub import StubConnection
from ..support.threads import spawn


def give_back(stage: Stage) -> None:
    stage.pool.release(stage.out.pop())


def borrow(stage: Stage) -> None:
    """Take a connection, and see that it is good."""
    connection = stage.pool.get_connection()
    assert connection.is_connected
    stage.results.append(connection)


def borrow_in_time(stage: Stage) -> None:
    with suppress(ConnectionPoolTimeoutError):
        borrow(stage)


def borrow_unless_closed(stage: Stage) -> None:
    with suppress(PoolClosedError):
        borrow(stage)


def drain(stage: Stage) -> None:
    stage.pool.drain()


def close(stage: Stage) -> None:
    stage.pool.close()


def shrink(stage: Stage) -> None:
    stage.pool.resize(1)


def grow(stage: Stage) -> None:
    stage.pool.resize(10)


def keep_house(stage: Stage) -> None:
    stage.pool.keep_house()


CHANGES = pytest.mark.parametrize("change", [drain, close, shrink, grow, keep_house])


class TestComingBack:
    """A connection comes back while somebody does something to the whole pool."""

    @CHANGES
    @pytest.mark.parametrize("is_halted", ["the return", "the change"])
    def test_nothing_stays_that_should_be_closed(self, change, is_halted):
        """One of the two sees the other: no old one idles, none too many, none in a closed pool."""
        pair = (give_back, change) if is_halted == "the return" else (change, give_back)
        places = 0
        for where, stage in meet_everywhere(lambda: Stage(idle=1, out=1), *pair):
            places += 1
            stage.assert_whole()
            assert not stage.out, where
        assert places >= 3

    @CHANGES
    def test_nothing_stays_without_a_gil_either(self, change):
        """The change comes between any two instructions of the return."""
        for _where, stage in meet_everywhere(
            lambda: Stage(idle=1, out=1), give_back, change, inside=RedisPool.release
        ):
            stage.assert_whole()

    def test_one_too_many_does_not_idle_until_the_next_return(self):
        """The pool is made smaller, with another connection out, between two instructions."""
        for where, stage in meet_everywhere(
            lambda: Stage(idle=0, out=2), give_back, shrink, inside=RedisPool.release
        ):
            stats = stage.pool.stats()
            assert (stats.idle, stats.in_use, stats.discarded) == (0, 1, {"surplus": 1}), where
            give_back(stage)
            stage.assert_whole()
            assert len(stage.idle) == 1

    def test_who_begins_to_wait_has_it_without_a_gil_too(self):
        """Between any two instructions of the return."""
        for where, stage in meet_everywhere(
            without_glances, give_back, borrow, inside=RedisPool.release
        ):
            [connection] = stage.results
            stage.pool.release(connection)
            stage.assert_whole()
            assert stage.pool.stats().created == 1, where

    def test_limit_of_idle_ones_holds(self):
        """Two that come back at once find room for one."""
        for _where, stage in meet_everywhere(
            lambda: Stage(idle=0, out=2, max_idle=1), give_back, give_back
        ):
            stage.assert_whole()
            assert len(stage.idle) == 1

    @pytest.mark.parametrize("is_halted", ["the return", "the wait"])
    def test_who_begins_to_wait_has_it(self, is_halted):
        """Who queues up looks at the shelf, who comes back at the queue."""
        pair = (give_back, borrow) if is_halted == "the return" else (borrow_in_time, give_back)
        slept = 0
        for where, stage in meet_everywhere(without_glances, *pair):
            if stage.pool.stats().timed_out and is_halted == "the wait":
                break  # it was halted as it woke up, after its time was over
            [connection] = stage.results
            stage.pool.release(connection)
            stage.assert_whole()
            assert stage.pool.stats().created == 1, where
            slept += stage.pool.stats().waited
        assert slept >= 2

    def test_second_return_is_refused_and_changes_nothing(self):
        """Of two threads that give back the same connection, one is told."""

        def give_back_the_same(stage: Stage) -> None:
            try:
                stage.pool.release(stage.out[0])
            except LeaseError:
                stage.results.append("refused")

        for where, stage in meet_everywhere(
            lambda: Stage(idle=0, out=1), give_back_the_same, give_back_the_same
        ):
            stage.assert_whole()
            assert stage.results == ["refused"], where
            assert stage.pool.stats().double_releases == 1
            assert stage.idle == stage.out


class TestTaking:
    """A connection is taken while somebody else wants it."""

    def test_two_never_have_the_same(self):
        """One idles, and there is room to dial another."""
        for where, stage in meet_everywhere(two_places, borrow, borrow):
            first, second = stage.results
            assert first is not second, where
            for connection in (first, second):
                stage.pool.release(connection)
            stage.assert_whole()

    @CHANGES
    def test_what_is_being_lent_is_not_closed_without_a_gil_either(self, change):
        """Between any two instructions of the taking, it is lent or idle, and never both."""
        for where, stage in meet_everywhere(
            lambda: Stage(idle=2, out=0),
            borrow_unless_closed,
            change,
            inside=RedisPool.get_connection,
        ):
            for connection in stage.results:
                assert connection.is_connected, where
                stage.pool.release(connection)
            stage.assert_whole()

    @CHANGES
    @pytest.mark.parametrize("is_halted", ["the taker", "the change"])
    def test_what_was_lent_is_not_closed(self, change, is_halted):
        """Who looks for idle ones to close passes over one that is lent in this moment."""
        pair = (borrow_unless_closed, change)
        for where, stage in meet_everywhere(
            lambda: Stage(idle=2, out=0), *(pair if is_halted == "the taker" else pair[::-1])
        ):
            for connection in stage.results:
                assert connection.is_connected, where
                stage.pool.release(connection)
            stage.assert_whole()


def without_glances() -> Stage:
    """Return a stage with one connection, out, and waiters who look for nothing by themselves."""
    stage = Stage(idle=0, out=1)
    stage.pool._pause = lambda: 60.0
    stage.pool.timeout = 1.0
    return stage


def two_places() -> Stage:
    """Return a stage with one connection, idle, and room for another one."""
    stage = Stage(idle=1, out=0)
    stage.pool.resize(2)
    return stage


class TestLate:
    """Who is reported for keeping a connection, while it goes from hand to hand."""

    @staticmethod
    def make() -> Stage:
        stage = Stage(idle=0, out=1, leak_detection_threshold=10.0)
        slot = stage.out[0].slot
        slot.taken_at -= 100
        slot.holder = "the late one"
        return stage

    @staticmethod
    def pass_on(stage: Stage) -> None:
        give_back(stage)
        borrow(stage)
        stage.results[0].slot.holder = "the next one"

    @pytest.mark.parametrize("is_halted", ["the report", "the return"])
    def test_next_holder_is_not_late(self, is_halted, caplog):
        """The housekeeper may have meant the one before, and say it a moment too late."""
        pair = (keep_house, self.pass_on)
        places = 0
        for where, stage in meet_everywhere(
            self.make, *(pair if is_halted == "the report" else pair[::-1])
        ):
            places += 1
            assert "the next one" not in caplog.text, where
            caplog.clear()
            [connection] = stage.results
            slot = connection.slot
            assert slot.late_since != slot.taken_at, where
            stage.pool.release(connection)
            assert slot.late_since is None, where
            assert caplog.records == [], where
            assert stage.pool.stats().leaked <= 1
            stage.assert_whole()
        assert places >= 10

    def test_who_was_reported_is_told_of_once_more_at_the_return(self, caplog):
        """That completes the story; the next one is as good as anybody."""
        stage = self.make()
        keep_house(stage)
        keep_house(stage)
        with caplog.at_level(logging.WARNING, "redis_pool_ext"):
            self.pass_on(stage)
            stage.pool.release(stage.results[0])

        said = [record.getMessage().split(" for ")[0] for record in caplog.records]
        assert said == ["default: out", "default: returned late: the late one"]
        assert stage.pool.stats().leaked == 1


class TestCounting:
    """Each slot counts for itself, and the sum is right."""

    def test_more_were_taken_than_came_back_at_every_moment(self):
        """Whoever computes how many are out from a snapshot gets no negative number."""

        def go_on(stage: Stage) -> None:
            for _ in range(3):
                stage.pool.release(stage.pool.get_connection())

        def look(stage: Stage) -> None:
            stage.results.append(stage.pool.stats())

        for where, stage in meet_everywhere(lambda: Stage(idle=2, out=0), look, go_on):
            [stats] = stage.results
            assert stats.acquired >= stats.released, where

    def test_tallies_of_slots_that_are_gone_are_kept(self):
        """However a slot ended: closed, forfeited, dropped."""
        ends: list[Callable[[RedisPool, GuardedConnection], Any]] = [
            lambda pool, connection: (connection.disconnect(), pool.release(connection)),
            lambda pool, connection: pool.forfeit(connection),
            lambda pool, connection: (pool.release(connection), pool.drain()),
            lambda _pool, connection: connection.retire(),
        ]
        pool = RedisPool(StubConnection, housekeeping_interval=None)
        for number, end in enumerate(ends, 1):
            for _ in range(3):
                pool.release(pool.get_connection())
            end(pool, pool.get_connection())
            stats = pool.stats()
            assert (stats.acquired, stats.idle, stats.in_use) == (4 * number, 0, 0)

        assert stats.released == 4 * len(ends) - 1  # the last one was dropped
        assert stats.hold_seconds > 0
        assert pool._ledger._tallies == {}

    def test_sums_are_right_after_any_use_by_several_threads(self):
        """What was taken, given back, closed and dropped, all of it and once."""
        pool = RedisPool(StubConnection, max_connections=3, timeout=20, housekeeping_interval=None)
        start = threading.Barrier(4)

        def use(seed: int) -> tuple[int, int]:
            chance = random.Random(seed)
            taken = returned = 0
            start.wait(10)
            for _ in range(300):
                connection = pool.get_connection()
                taken += 1
                fate = chance.random()
                if fate < 0.05:
                    connection.disconnect()
                if fate < 0.95:
                    pool.release(connection)
                    returned += 1
                if fate > 0.98:
                    pool.drain()
                del connection  # what was not returned is dropped
            return taken, returned

        users = [spawn(use, seed) for seed in range(4)]
        while any(user.is_alive() for user in users):
            stats = pool.stats()
            assert 0 <= stats.released <= stats.acquired
            assert stats.in_use >= 0
            assert stats.in_use + stats.idle + stats.connecting <= 3
            users[0].join(0.001)
        counted = [user.result() for user in users]

        stats = pool.stats()
        assert stats.acquired == sum(taken for taken, _ in counted)
        assert stats.released == sum(returned for _, returned in counted)
        assert stats.discarded["lost"] == stats.acquired - stats.released
        assert stats.created == sum(stats.discarded.values()) + stats.idle
        assert (stats.in_use, stats.waiting) == (0, 0)
