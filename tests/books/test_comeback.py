"""`Retry-After`: when there is room, and that a crowd does not come back as one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from redis_pool_ext import ConnectionPoolTimeoutError, RedisPool, RedisPoolError
from redis_pool_ext.books.comeback import LONGEST, Comeback, whole_seconds
from redis_pool_ext.budget import Budget
from redis_pool_ext.wire.spending import exceeded

from ..support.clock_ahead import Clock
from ..support.stub import StubConnection

NOW = 1000.0


class TestWholeSeconds:
    """A number for each, out of a range that is as wide as the wait."""

    @pytest.mark.parametrize(
        ("wait", "least", "most"),
        [(0.0, 1, 2), (0.3, 1, 2), (1.0, 1, 2), (1.1, 2, 4), (7.0, 7, 14), (15.0, 15, 30)],
    )
    def test_values_cover_the_wait_and_once_more(self, wait: float, least: int, most: int):
        """Never before there is room; integers, as RFC 9110 has them."""
        random.seed(1)
        seen = [whole_seconds(wait) for _ in range(1000)]

        assert set(seen) == set(range(least, most + 1))
        assert sum(seen) / len(seen) >= wait

    @pytest.mark.parametrize("wait", [16.0, 1e3, 1e9, float("inf")])
    def test_long_wait_is_cut_and_still_spread(self, wait: float):
        """Nobody is sent away for more than half a minute."""
        random.seed(1)
        seen = {whole_seconds(wait) for _ in range(1000)}

        assert seen == set(range(LONGEST // 2, LONGEST + 1))


def knowing(hold: float) -> Comeback:
    """Return what a pool of 16 knows whose connections were out for so long."""
    comeback = Comeback()
    comeback.learn(NOW, 1000, 1000 * hold, [])
    comeback.learn(NOW + 1, 2000, 2000 * hold, [hold / 2] * 16)
    return comeback


class TestHold:
    """How long a connection is out these days."""

    def test_nothing_is_known_at_first(self):
        """A pool that nobody has used makes nobody wait."""
        comeback = Comeback()
        comeback.learn(NOW, 0, 0.0, [])

        assert comeback.hold == 0.0
        assert comeback.book(NOW, 9, 16) == 0.0

    def test_steady_pool_has_the_hold_that_it_has(self):
        """Within some per cent, as those that go on are not over."""
        assert knowing(0.1).hold == pytest.approx(0.1, rel=0.02)

    def test_holds_of_late_count_and_not_those_of_yesterday(self):
        """A million quick ones do not hide that they have become slow a second ago."""
        comeback = Comeback()
        comeback.learn(NOW, 1_000_000, 1_000.0, [0.0] * 16)
        comeback.learn(NOW + 2, 1_000_064, 1_032.0, [0.25] * 16)

        assert comeback.hold == pytest.approx(0.5, rel=0.3)

    def test_old_looks_are_forgotten(self):
        """After a quiet hour the mean is not of that hour."""
        comeback = knowing(5.0)
        comeback.learn(NOW + 3600, 102_000, 10_000.0 + 100.0, [])
        comeback.learn(NOW + 3601, 103_000, 10_000.0 + 101.0, [])

        assert comeback.hold == pytest.approx(0.001, rel=0.1)

    def test_pool_where_everything_hangs_goes_by_that(self):
        """No connection comes back, so no hold says how long they last now."""
        comeback = Comeback()
        comeback.learn(NOW, 1_000_000, 1_000.0, [8.0] * 16)

        assert comeback.hold == pytest.approx(8.0, rel=0.01)

    def test_first_holders_of_a_new_pool_count(self):
        """It has not seen one come back, and need not guess a second for all."""
        comeback = Comeback()
        comeback.learn(NOW, 0, 0.0, [3.0] * 16)

        assert comeback.hold == pytest.approx(3.0)

    def test_one_that_is_kept_for_ever_is_one_of_many(self):
        """A subscriber's hour does not send all others away for a minute."""
        comeback = Comeback()
        comeback.learn(NOW, 10_000, 100.0, [])
        comeback.learn(NOW + 5, 15_000, 150.0, [3600.0, *[0.005] * 15])

        assert comeback.hold == pytest.approx(0.01, rel=0.5)


class TestBooking:
    """Each who is refused has a place of its own to come back to."""

    @pytest.mark.parametrize(("waiting", "wait"), [(0, 0.0625), (15, 1.0), (31, 2.0), (159, 10.0)])
    def test_wait_is_that_of_the_queue(self, waiting: int, wait: float):
        """A queue drains by one per connection and hold."""
        assert knowing(1.0).book(NOW, waiting, 16) == pytest.approx(wait, rel=0.05)

    def test_each_refusal_waits_for_those_before(self):
        """They all come back, and need a connection then."""
        comeback = knowing(1.0)
        waits = [comeback.book(NOW, 0, 16) for _ in range(161)]

        assert waits == sorted(waits)
        assert waits[-1] - waits[0] == pytest.approx(10.0, rel=0.05)

    def test_what_is_booked_runs_off(self):
        """After so many seconds they have been there."""
        comeback = knowing(1.0)
        for _ in range(160):
            comeback.book(NOW, 0, 16)

        assert comeback.book(NOW + 4, 0, 16) == pytest.approx(6.0, rel=0.05)
        assert comeback.book(NOW + 20, 0, 16) == pytest.approx(0.0625, rel=0.05)

    def test_books_end_where_nobody_is_sent(self):
        """After a long overload nobody is sent away for what was hours ago."""
        comeback = knowing(1.0)
        for _ in range(100_000):
            comeback.book(NOW, 0, 16)

        assert comeback.book(NOW + LONGEST / 2, 0, 16) < 1.0


def peak(come_back: Callable[[], float], number: int) -> int:
    """Send `number` clients away, all within 20 ms; return the most that come in one second."""
    comings = [n * 0.02 / number + come_back() for n in range(number)]
    return max(Counter(int(at) for at in comings).values())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("hold", "number"), [(0.1, 1000), (0.5, 400), (0.02, 8000)])
def test_crowd_that_heeds_retry_after_comes_back_as_the_pool_can_serve_it(
    seed: int, hold: float, number: int
):
    """A constant sends all of them back in one second, which is many times too many."""
    random.seed(seed)
    comeback, capacity = knowing(hold), 16 / hold
    constant = peak(lambda: 5, number)
    ours = peak(lambda: whole_seconds(comeback.book(NOW, 0, 16)), number)

    assert constant == number
    assert ours <= 1.25 * capacity
    assert ours * 3 <= constant


class TestOfAPool:
    """What the callers of a pool are told."""

    @pytest.fixture
    def pool(self) -> RedisPool:
        """Two connections, both out."""
        pool = RedisPool(StubConnection, max_connections=2, timeout=0, housekeeping_interval=None)
        self.held = [pool.get_connection() for _ in range(2)]
        return pool

    def refused(self, pool: RedisPool) -> RedisPoolError:
        with pytest.raises(ConnectionPoolTimeoutError) as caught:
            pool.get_connection()
        return caught.value

    def test_first_who_is_refused_is_told_a_second_or_two(self, pool: RedisPool, clock: Clock):
        """Connections are quick to come back."""
        random.seed(1)
        assert self.refused(pool).retry_after in (1, 2)

    def test_pool_that_hangs_sends_away_for_longer(self, pool: RedisPool, clock: Clock):
        """Both have been out for almost eight seconds by now."""
        clock.advance(7.9)
        assert 4 <= (self.refused(pool).retry_after or 0) <= 8

    def test_crowd_is_sent_away_one_behind_the_other(self, pool: RedisPool, clock: Clock):
        """Half a second a hold, two connections: forty need ten seconds."""
        clock.stop()
        clock.advance(0.5)
        told = [self.refused(pool).retry_after or 0 for _ in range(40)]

        assert max(told[:4]) <= 2
        assert min(told[36:]) >= 9

    def test_spent_budget_is_told_what_a_refusal_is(self, pool: RedisPool, clock: Clock):
        """It comes back to the same pool."""
        clock.advance(7.9)
        error = exceeded(Budget(1.0), pool)

        assert 4 <= (error.retry_after or 0) <= 8

    def test_sizes_are_of_the_moment_and_totals_may_be_older(self, pool: RedisPool, clock: Clock):
        """Who is refused does not sum up hundreds of slots, if somebody has just done so."""
        clock.stop()
        first = self.refused(pool).stats
        pool.resize(3)
        self.held.append(pool.get_connection())
        second = self.refused(pool).stats
        assert first is not None
        assert second is not None
        assert (first.in_use, second.in_use, second.max_connections) == (2, 3, 3)
        assert (first.acquired, second.acquired) == (2, 2)

        clock.advance(0.06)
        third = self.refused(pool).stats
        assert third is not None
        assert third.acquired == 3
