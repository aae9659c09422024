"""How large a pool has to be: the formulas, against what is known and against a simulation."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from benchmarks.simulation import Load as Paper
from benchmarks.simulation import at_random, fewest, late_share, play, window_of
from redis_pool_ext.histogram import Histogram
from redis_pool_ext.sizing.advice import advise
from redis_pool_ext.sizing.theory import (
    LATE,
    Load,
    _erlang_c,
    levels_of,
    smallest_size,
    variation_of,
)
from redis_pool_ext.sizing.theory import late_share as late_share_by_formula


def steady(offered: float, **facts: float) -> Load:
    """Return a load that is the same all the time."""
    return Load(levels=((offered, 1.0),), **{"hold": 0.01, "variation": 1.0} | facts)


class TestFormulas:
    """Against values that are known."""

    @pytest.mark.parametrize(("servers", "offered"), [(1, 0.5), (2, 1.0), (10, 8.0), (20, 19.0)])
    def test_share_that_waits_is_erlangs(self, servers, offered):
        """The formula as textbooks write it, which is of no use for many servers."""
        terms = [offered**k / math.factorial(k) for k in range(servers)]
        last = offered**servers / math.factorial(servers) * servers / (servers - offered)

        assert _erlang_c(servers, offered) == pytest.approx(last / (sum(terms) + last))

    def test_between_whole_numbers_it_is_between_their_values(self):
        """Hayward's rule asks for 7.3 servers."""
        assert _erlang_c(8, 5.0) < _erlang_c(7.3, 5.0) < _erlang_c(7, 5.0)

    def test_with_fewer_connections_than_are_out_on_average_everybody_is_late(self):
        """The queue grows for as long as that lasts."""
        assert late_share_by_formula(steady(4.0), 4, 10.0) == 1.0

    def test_without_load_nobody_is_late(self):
        """A pool that nobody uses needs one connection."""
        assert smallest_size(steady(0.0), 0.01) == 1

    def test_more_patience_needs_fewer_connections(self):
        """The tail of waits is exponential."""
        assert smallest_size(steady(8.0), 0.0001) > smallest_size(steady(8.0), 0.1) > 8

    def test_bursts_need_more_connections(self):
        """And arrivals in step need fewer."""
        sizes = [smallest_size(steady(8.0, peakedness=z), 0.001) for z in (0.5, 1.0, 4.0)]

        assert sizes == sorted(set(sizes))

    def test_variation_is_that_of_the_times(self):
        """Nought where all are alike; one of exponential ones; as far as buckets tell."""
        rng = random.Random(1)
        exponential = Histogram.from_times(rng.expovariate(100) for _ in range(20_000))

        assert variation_of(exponential) == pytest.approx(1.0, abs=0.3)
        assert variation_of(Histogram.from_times([0.0075] * 100)) < 0.1

    def test_chance_is_no_change_of_the_load(self):
        """A steady flow differs from second to second; all of that is one level."""
        rng = random.Random(1)
        counts = [float(len(at_random(rng, 1, 100.0))) for _ in range(100)]
        holds = Histogram.from_times([0.03] * 10)
        loads = [load for load, _ in levels_of(counts, 1.0, holds)]

        assert max(loads) == pytest.approx(min(loads))

    def test_change_of_the_load_has_levels(self):
        """At twice the arrivals, twice the load; weighed by the requests that meet it."""
        levels = levels_of([100.0, 200.0] * 16, 1000.0, Histogram.from_times([0.01] * 10))

        assert sum(share for _, share in levels) == pytest.approx(1.0)
        assert levels[-1][0] / levels[0][0] == pytest.approx(2.0, rel=0.01)

    def test_long_holds_reach_into_the_seconds_after(self):
        """A burst of requests that hold for some seconds is a load for some seconds."""
        levels = levels_of([0.0] * 10 + [100.0] + [0.0] * 5, 100.0, Histogram.from_times([5.0] * 9))

        assert max(load for load, _ in levels) < 150  # not 100 x 5 s at once


def loads() -> dict[
    str, tuple[Callable[[random.Random], list[float]], Callable[[random.Random], float]]
]:
    seconds = 120

    def bursts(rng: random.Random) -> list[float]:
        return [at for at in at_random(rng, seconds, 25.0) for _ in range(10)]

    return {
        "steady": (
            lambda rng: at_random(rng, seconds, 400.0),
            lambda rng: rng.expovariate(1 / 0.02),
        ),
        "a report now and then": (
            lambda rng: at_random(rng, seconds, 300.0),
            lambda rng: 0.3 if rng.random() < 0.04 else rng.uniform(0.004, 0.012),
        ),
        "ten at once": (bursts, lambda rng: rng.expovariate(1 / 0.02)),
        "busy and quiet": (
            lambda rng: at_random(
                rng, seconds, 500.0, lambda t: 100.0 if int(t / 5) % 2 else 500.0
            ),
            lambda rng: rng.expovariate(1 / 0.02),
        ),
    }


@pytest.mark.parametrize("seen_at", [2.0, 1.0, 0.7])
@pytest.mark.parametrize("name", loads())
def test_advice_is_within_a_fifth_of_the_smallest_size_that_does(name, seen_at):
    """Whether the pool that was looked at is too large, right or too small."""
    arrivals, hold = loads()[name]
    rng, target = random.Random(11), 0.02
    load = Paper.of(name, arrivals(rng), lambda: hold(rng))
    in_use = int(sum(load.holds) / 120)
    smallest = fewest(lambda size: late_share(play(load, size), target) > LATE, in_use + 1)
    size = max(1, round(seen_at * smallest))
    seen = window_of(play(load, size), 120, rng)

    advised = advise(seen, size, target=target).size
    assert advised is not None
    assert abs(advised - smallest) <= 0.2 * smallest
