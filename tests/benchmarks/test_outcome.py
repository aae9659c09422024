"""The figures of a run: what counts as good, when waits are normal again, and what is fair."""

from __future__ import annotations

from math import inf

import pytest

from benchmarks.outcome import SLICE, Outcome, Request, difference, jain, slices


def served(*pairs: tuple[float, float]) -> list[Request]:
    return [Request(at, seconds, True) for at, seconds in pairs]


def test_goodput_counts_what_was_done_while_the_visitor_was_there():
    """Neither what came too late for its visitor, nor what was left when arrivals had ended."""
    requests = [*served((0.0, 0.2), (0.0, 0.21), (0.2, 0.1), (0.4, 0.2)), Request(0.1, 0.0, False)]
    outcome = Outcome(requests, 0.0, 0.5)

    assert outcome.throughput(within=0.2) == 2 / 0.5
    assert outcome.throughput() == 3 / 0.5
    assert outcome.figures(4.0, 0.2)["goodput"] == 100.0
    assert outcome.figures(4.0, 0.2)["refused"] == 20.0


def test_what_came_before_the_beginning_counts_only_by_its_end():
    """It filled the queue; but the pool was busy with it, so it is part of the throughput."""
    outcome = Outcome(served((0.0, 0.6), (0.6, 0.1), (0.7, 0.2)), 0.5, 1.0)

    assert [each.at for each in outcome.requests] == [0.6, 0.7]
    assert outcome.served == [0.1, 0.2]
    assert outcome.throughput() == 3 / 0.5


def test_who_was_refused_was_told_after_so_long():
    """A row without refusals has no such figure."""
    requests = [Request(0.0, 0.2, False), Request(0.1, 0.4, False), Request(0.2, 0.3, False)]

    assert Outcome(requests, 0.0, 1.0).figures(1.0, 0.2)["told p50"] == 0.3
    assert "told p50" not in Outcome(served((0.0, 0.1)), 0.0, 1.0).figures(1.0, 0.2)


def test_slice_in_which_one_was_refused_is_not_normal():
    """However fast the others were."""
    requests = [*served((0.01, 0.005), (0.11, 0.007)), Request(0.12, 0.0, False)]

    assert slices(requests) == [(0.0, 0.005), (SLICE, inf)]


def wave(*p99: float) -> Outcome:
    """Return one request in each slice, that took so long; nought: it was refused."""
    return Outcome(
        [Request(number * SLICE, took, took > 0) for number, took in enumerate(p99)], 0.0, 10.0
    )


def test_waits_are_normal_after_the_last_slice_that_was_not():
    """Five in a row have to be as before; a good one in between is luck."""
    outcome = wave(0.01, 0.01, 0.2, 0.0, 0.01, 0.05, 0.01, 0.01, 0.011, 0.01, 0.01)

    assert outcome.back_to_normal((0.0, 0.2), 0.3) == pytest.approx(0.4)


def test_waits_that_stay_long_are_never_normal():
    """Infinite, and no target is met by chance."""
    assert wave(0.01, 0.01, 0.2, 0.2, 0.2).back_to_normal((0.0, 0.2), 0.2) == inf


def test_jain_index_is_one_for_equal_shares_and_least_for_one_who_has_all():
    """Between 1 and 1/n."""
    assert jain([3, 3, 3]) == 1.0
    assert jain([9, 0, 0]) == pytest.approx(1 / 3)


def test_difference_of_little_is_measured_against_the_least_that_matters():
    """One percent beside two is not half of it to anybody."""
    assert difference(100.0, 90.0, 20.0) == 10.0
    assert difference(2.0, 1.0, 20.0) == 5.0
