"""Times by size: counting them, and what can be told of them."""

from __future__ import annotations

import json
import pickle

import pytest

from redis_pool_ext.histogram import BOUNDS, NOTHING, Histogram


def test_bound_belongs_to_its_bucket():
    """At most so long, as Prometheus and OpenTelemetry have it."""
    at, above = Histogram.from_times([0.01]), Histogram.from_times([0.010001])

    assert at.counts.index(1) == BOUNDS.index(0.01)
    assert above.counts.index(1) == BOUNDS.index(0.01) + 1


def test_what_is_longer_than_all_bounds_has_a_bucket_too():
    """Nothing is lost at the top."""
    assert Histogram.from_times([3600.0]).counts[-1] == 1


def test_total_and_mean_are_those_of_the_times():
    """The mean is exact: the sum is kept beside the buckets."""
    times = Histogram.from_times([0.003, 0.004, 0.2])

    assert times.total == 3
    assert times.mean == pytest.approx(0.069)


def test_mean_of_nothing_is_nought():
    """Nobody divides by nothing."""
    assert (NOTHING.mean, NOTHING.quantile(0.99), NOTHING.share_above(0.1)) == (0.0, 0.0, 0.0)


def test_difference_is_what_was_counted_since():
    """A window is a later look less an earlier one."""
    before = Histogram.from_times([0.001, 0.5])
    later = before + Histogram.from_times([0.02])

    assert (later - before).counts == Histogram.from_times([0.02]).counts
    assert (later - before).seconds == pytest.approx(0.02)


def test_difference_is_never_less_than_nothing():
    """Of another process's numbers, or of a pool that began anew."""
    assert (NOTHING - Histogram.from_times([0.5])) is NOTHING


def test_quantile_lies_within_its_bucket():
    """Ninety-nine short ones and a long one: the median is short, the highest is long."""
    times = Histogram.from_times([0.0015] * 99 + [4.0])

    assert 0.001 < times.quantile(0.5) <= 0.002
    assert 0.001 < times.quantile(0.99) <= 0.002
    assert 2.0 < times.quantile(1.0) <= 5.0


def test_quantile_above_the_last_bound_is_that_bound():
    """Nobody knows how much longer it took."""
    assert Histogram.from_times([3600.0]).quantile(0.99) == BOUNDS[-1]


def test_share_above_a_bound_is_exact():
    """The advice on a size asks for the share that waited longer than the target."""
    assert Histogram.from_times([0.005, 0.01, 0.011, 0.5]).share_above(0.01) == 0.5


def test_share_above_what_is_no_bound_divides_the_bucket():
    """Spread evenly, as the quantiles are."""
    assert Histogram.from_times([0.019] * 10).share_above(0.015) == pytest.approx(0.5)


def test_up_to_gives_sums_for_fewer_bounds():
    """Exporters have their own, which are among ours."""
    times = Histogram.from_times([0.0003, 0.004, 0.004, 2.5])

    assert times.up_to([0.001, 0.005, 10.0]) == [1, 3, 4]


def test_up_to_a_bound_that_we_do_not_have_is_refused():
    """A number that is made up is worse than none."""
    with pytest.raises(ValueError, match=r"\[0\.3\] are not among the bounds"):
        NOTHING.up_to([0.3])


def test_histograms_become_json_and_pickle():
    """They are part of stats(), which errors carry from process to process."""
    times = Histogram.from_times([0.2])

    assert json.loads(json.dumps(times.as_dict()))["counts"] == list(times.counts)
    assert pickle.loads(pickle.dumps(times)) == times
