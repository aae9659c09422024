"""What is said about a pool's size, and when nothing is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from redis_pool_ext.histogram import NOTHING, Histogram
from redis_pool_ext.sizing.advice import advise
from redis_pool_ext.sizing.samples import Window


def window(**facts: Any) -> Window:
    """Return a minute of 100 requests a second, each with a connection for 40 ms."""
    usual: dict[str, Any] = {
        "seconds": 60.0,
        "arrivals": 6000,
        "acquired": 6000,
        "refused": 0,
        "waited": 0,
        "mean_in_use": 4.0,
        "peak": 9,
        "longest_queue": 0,
        "dispersion": 1.0,
        "peakedness": 1.0,
        "waits": Histogram.from_times([0.0] * 6000),
        "holds": Histogram.from_times([0.04] * 6000),
        "arrivals_by_second": (100.0,) * 60,
    }
    return Window(**usual | facts)


def crowded(**facts: Any) -> Window:
    """Return the same where one in ten waited for 180 ms."""
    waits = Histogram.from_times([0.0] * 5400 + [0.18] * 600)
    return window(waits=waits, waited=600, longest_queue=12, **facts)


def test_pool_that_is_larger_than_it_need_be_is_told_so():
    """With the peak and the wait that say it."""
    advice = advise(window(), 16)

    assert advice.size is not None
    assert 5 <= advice.size <= 9
    assert advice.text == f"peak 9 of 16 in use, p99 wait 0: {advice.size} would do"


def test_pool_that_is_too_small_is_told_the_size_and_who_holds_it():
    """There are two ways out."""
    advice = advise(crowded(peak=5), 5, shares={"GET /report/<id>": 0.62, "GET /": 0.38})

    assert advice.size is not None
    assert advice.size > 5
    assert re.match(r"waits at p99 1\d\d ms, peak 5 of 5 in use: ", advice.text)
    assert advice.text.endswith(
        f": {advice.size} would do, or shorten what holds 62% of the time: GET /report/<id>"
    )
    assert (advice.longest_holder, advice.share) == ("GET /report/<id>", 0.62)


def test_pool_of_the_right_size_is_told_that():
    """No number to change."""
    size = advise(window(), 16).size
    assert size is not None

    assert advise(window(peak=size), size).text.endswith(f"{size} is right")


def test_pool_in_which_hardly_anybody_waited_is_not_called_too_small():
    """Whatever the theory says: it was large enough."""
    assert advise(window(peak=4, longest_queue=2), 4).size == 4


@pytest.mark.parametrize(
    "little",
    [
        {"seconds": 3.0},
        {"arrivals": 50},
        {"holds": NOTHING},
    ],
    ids=["few seconds", "few requests", "nobody came back"],
)
def test_too_little_is_no_ground_for_advice(little):
    """One in a hundred cannot be told from fifty."""
    advice = advise(window(**little), 16)

    assert advice.size is None
    assert advice.text.startswith("too little to tell: ")


def test_nobody_needs_more_than_were_there_at_once():
    """A server with four threads cannot use a fifth connection."""
    assert advise(window(peak=4, waited=600), 4).size == 4


def test_more_patience_needs_fewer():
    """The target is the caller's."""
    strict, patient = (advise(window(), 16, target=target) for target in (0.0001, 0.5))

    assert strict.size is not None
    assert patient.size is not None
    assert strict.size > patient.size


def test_advice_becomes_json():
    """For pages and commands."""
    plain = json.loads(json.dumps(advise(window(), 16).as_dict()))

    assert plain["offered"] == pytest.approx(4.0, abs=0.01)
    assert plain["arrivals_per_second"] == 100.0


@pytest.mark.parametrize("target", [-0.01, float("nan"), float("inf")])
def test_target_that_is_no_wait_is_refused(target: float):
    """With nan every size would do, and the smallest be advised."""
    with pytest.raises(ValueError, match=r"target is a number of seconds, 0 or more, not "):
        advise(window(), 16, target=target)


@pytest.mark.parametrize(
    "facts",
    [
        {"holds": Histogram.from_times([0.0] * 6000)},
        {"holds": Histogram.from_times([500.0] * 6000)},
        {"dispersion": 0.0},
        {"peakedness": 0.0, "waited": 6000},
        {"arrivals_by_second": (0.0,) * 60},
        {"peak": 0, "longest_queue": 0, "acquired": 0, "refused": 6000},
    ],
    ids=["no holds", "holds of minutes", "in step", "all wait", "no arrivals", "all refused"],
)
def test_odd_window_has_a_size_all_the_same(facts: dict[str, Any]):
    """Clocks jump, and loads are what they are; nobody who looks at a pool gets an error."""
    advice = advise(window(**facts), 16)

    assert advice.size is not None
    assert advice.size >= 1
    assert "nan" not in json.dumps(advice.as_dict()).lower()
