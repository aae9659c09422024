"""The books, without threads: who is given what, and what a struck call leaves behind."""

from __future__ import annotations

import time

import pytest

from redis_pool_ext import RedisPool
from redis_pool_ext.books.records import Refusal, Waiter

from ..support.stub import StubConnection


@pytest.fixture
def pool():
    """A pool of one, its connection idle."""
    pool = RedisPool(StubConnection, max_connections=1, timeout=0.05)
    pool.release(pool.get_connection())
    return pool


def queue_up(pool: RedisPool, patience: float) -> Waiter:
    waiter = Waiter(patience)
    pool._ledger.queue.join(waiter)
    return waiter


def test_expired_waiter_is_passed_over(pool):
    """The next live one is served; the expired one gets nothing, and is woken to see it."""
    kept = pool.get_connection()
    expired, alive = queue_up(pool, -1), queue_up(pool, 60)
    pool.release(kept)

    assert (expired.gift, alive.gift) == (None, kept)
    assert not expired.wake.locked()
    assert not pool._ledger.queue


def test_idle_connection_is_the_waiters_even_if_a_call_was_struck(pool):
    """An exception between the return and the hand-off: the next caller does not overtake."""
    waiter = queue_up(pool, 60)  # idle and queued at once, as a struck call leaves it
    with pytest.raises(Exception, match="no connection within"):
        pool.get_connection()

    assert waiter.gift is not None


def test_gift_that_was_written_but_not_announced_is_announced_later(pool):
    """An exception between the gift and the wake: the next call finishes the work."""
    waiter = queue_up(pool, 60)
    waiter.gift = pool._ledger.take_idle(time.monotonic())
    pool._ledger.serve(time.monotonic())

    assert not waiter.wake.locked()
    assert not pool._ledger.queue


def test_waiter_that_vanished_with_its_gift_costs_a_connection_but_no_slot(pool):
    """A caller that was struck twice leaves a waiter that nobody reads."""
    kept = pool.get_connection()
    queue_up(pool, 60)
    pool.release(kept)
    del kept

    assert pool.stats().in_use == 0
    assert pool.get_connection()


@pytest.mark.parametrize("refusal", list(Refusal))
def test_each_refusal_has_a_counter(pool, refusal):
    """Every way to get nothing is counted under its own name."""
    pool._ledger.counters.add_end(refusal.value)

    assert getattr(pool.stats(), refusal.value) == 1


def test_leaving_the_queue_does_not_search_it(pool):
    """Removing one waiter of many is one step, not a walk."""
    queue = pool._ledger.queue
    waiters = [queue_up(pool, 60) for _ in range(1000)]
    queue.leave(waiters[500])

    assert len(queue) == 999
    assert queue.first() is waiters[0]


class TestComingBack:
    """A waiter that has had its turn, and got nothing good, goes back to where it was."""

    @pytest.fixture
    def ledger(self):
        """The books of a pool that lends nothing: whoever queues stays there."""
        pool = RedisPool(StubConnection, max_connections=1)
        pool.pause()
        return pool._ledger

    def test_it_is_ahead_of_all_who_came_later(self, ledger):
        """Also of those who came while it was out."""
        first, second, third = waiters(3)
        ledger.line_up(first, 0.0)
        ledger.line_up(second, 0.0)
        ledger.queue.leave(first)
        ledger.line_up(third, 0.0)
        ledger.line_up(first, 0.0)

        assert list(ledger.queue.in_order()) == [first, second, third]

    def test_it_is_behind_those_who_came_before(self, ledger):
        """In whatever order they come back."""
        first, second, third, fourth = waiters(4)
        for waiter in (first, second, third):
            ledger.line_up(waiter, 0.0)
        for waiter in (second, first, third):
            ledger.queue.leave(waiter)
        for waiter in (fourth, third, first, second):
            ledger.line_up(waiter, 0.0)

        assert list(ledger.queue.in_order()) == [first, second, third, fourth]

    def test_those_who_came_when_nobody_waited_are_ahead_in_their_own_order(self, ledger):
        """They had an idle connection at once, and it was dead."""
        queued, first, second, third = waiters(1) + waiters(3, ticket=0)
        for waiter in (queued, first, second, third):
            ledger.line_up(waiter, 0.0)

        assert list(ledger.queue.in_order()) == [first, second, third, queued]

    def test_they_keep_that_order_when_they_come_back_again(self, ledger):
        """The first one got nothing good a second time."""
        first, second, third = waiters(3, ticket=0)
        for waiter in (first, second, third):
            ledger.line_up(waiter, 0.0)
        ledger.queue.leave(first)
        ledger.line_up(first, 0.0)

        assert list(ledger.queue.in_order()) == [first, second, third]

    def test_it_sleeps_again(self, ledger):
        """Though it was woken for what it had, until there is something new."""
        [waiter] = waiters(1)
        ledger.line_up(waiter, 0.0)
        ledger.queue.dismiss(waiter)
        ledger.line_up(waiter, 0.0)

        assert waiter.wake.locked()


def waiters(count: int, ticket: int | None = None) -> list[Waiter]:
    made = [Waiter(60) for _ in range(count)]
    for waiter in made:
        waiter.ticket = ticket
    return made
