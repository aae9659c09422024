"""The rounds that take turns, and the arithmetic on what they found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from benchmarks import harness
from benchmarks.harness import (
    QUICK,
    Contender,
    Curve,
    Effort,
    Result,
    Row,
    Run,
    Target,
    beaten,
    interleave,
    quartiles,
    ratio,
    rotated,
    row,
    timings,
    with_ratios,
)

UNIT = {"wall": "us", "ratio": "x"}


class Clock:
    """A clock that only the work moves on; by so many seconds each time that it is done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.turns: list[tuple[str, int]] = []
        self.is_open: dict[str, bool] = {}
        monkeypatch.setattr(harness.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(harness.time, "process_time", lambda: self.now / 2)

    @contextmanager
    def working(self, name: str, seconds: float) -> Iterator[Run]:
        def run(number: int) -> None:
            self.turns.append((name, number))
            self.now += seconds * number

        self.is_open[name] = True
        try:
            yield run
        finally:
            self.is_open[name] = False

    def contenders(self, **seconds: float) -> list[Contender]:
        return [Contender(name, partial(self.working, name, s)) for name, s in seconds.items()]


@pytest.fixture
def work(monkeypatch) -> Clock:
    return Clock(monkeypatch)


def known(name: str, *seconds: float, group: str = "") -> Row:
    return row(name, {"wall": seconds}, UNIT, group=group)


class TestRounds:
    """`interleave` and `timings`."""

    def test_seconds_are_those_of_one_operation(self, work):
        """Each round's time over the number of times that the work was done in it."""
        found = interleave(work.contenders(a=0.25, b=1.0), rounds=2, number=20)

        assert found == {"a": [0.25, 0.25], "b": [1.0, 1.0]}

    def test_cpu_time_is_measured_beside_the_clock(self, work):
        """Of the same operation in the same round."""
        found = timings(work.contenders(a=0.5), rounds=1, number=4)

        assert found["a"].wall == [0.5]
        assert found["a"].cpu == [0.25]

    def test_another_contender_begins_each_round(self, work):
        """After one run each that is not counted."""
        interleave(work.contenders(a=1, b=1, c=1), rounds=4, number=30)

        assert work.turns[:3] == [("a", 3), ("b", 3), ("c", 3)]
        assert "".join(name for name, _ in work.turns[3:]) == "abcbcacababc"
        assert {number for _, number in work.turns[3:]} == {30}

    def test_contenders_are_closed_after_the_rounds(self, work):
        """Also when one of them fails."""

        def fail(number: int) -> None:
            raise RuntimeError("boom")

        @contextmanager
        def failing() -> Iterator[Run]:
            yield fail

        with pytest.raises(RuntimeError, match="boom"):
            interleave([*work.contenders(a=1), Contender("b", failing)], rounds=1, number=1)

        assert work.is_open == {"a": False}

    def test_two_of_one_name_are_refused(self, work):
        """Their figures would be one list."""
        with pytest.raises(ValueError, match="same name"):
            interleave(work.contenders(a=1) * 2, rounds=1, number=1)

    def test_rotation_loses_nobody(self):
        """Whatever the turn; also of nobody."""
        assert [rotated("abc", turn) for turn in (0, 1, 5)] == [[*"abc"], [*"bca"], [*"cab"]]
        assert rotated([], 3) == []


class TestArithmetic:
    """Rows, ratios, targets."""

    def test_row_has_medians_in_the_unit_of_its_column(self):
        """Given in seconds, shown in microseconds; what is no time stays as it is."""
        found = row("a", {"wall": [3e-6, 1e-6, 2e-6], "n": [7.0, 9.0]}, {"wall": "us", "n": ""})

        assert found.values == pytest.approx({"wall": 2.0, "n": 8.0})
        assert found.rounds["wall"] == pytest.approx([3.0, 1.0, 2.0])

    def test_ratio_is_theirs_over_ours_round_by_round(self):
        """The median of the rounds' ratios: a slow round of the machine hurts both alike."""
        ours, theirs = with_ratios([known("ours", 1, 10, 2), known("theirs", 4, 20, 6)], "wall")

        assert ours.values["ratio"] == 1.0
        assert theirs.rounds["ratio"] == pytest.approx([4.0, 2.0, 3.0])
        assert theirs.values["ratio"] == pytest.approx(3.0)

    def test_ratio_is_to_the_first_of_the_group(self):
        """Rows of different groups did different work."""
        rows = [known("ours", 1, group="x"), known("ours", 5, group="y"), known("b", 10, group="y")]

        assert [each.values["ratio"] for each in with_ratios(rows, "wall")] == [1.0, 1.0, 2.0]

    def test_ratio_over_nothing_is_infinite(self):
        """A wait can be too short for the clock."""
        assert ratio(1.0, 0.0) == float("inf")
        assert ratio(3.0, 2.0) == 1.5

    @pytest.mark.parametrize(
        ("figures", "expected"), [([1, 2, 3, 4, 5], (2, 4)), ([7], (7, 7)), ([1, 3], (1.5, 2.5))]
    )
    def test_quartiles_hold_half_of_the_rounds(self, figures, expected):
        """One round is its own quartiles."""
        assert quartiles(figures) == expected

    def test_peer_that_beats_us_is_told_with_the_reason(self):
        """Less of what costs; each place where it does."""
        rows = [
            *(known("redis_pool_ext", 4, group=group) for group in "xyz"),
            *(known("theirs", seconds, group=group) for group, seconds in zip("xyz", (1, 2, 8))),  # noqa: B905
        ]

        assert beaten(rows, "wall", {"theirs": "it does less"}) == [
            "theirs, wall: 0.25 of ours (x); 0.50 of ours (y). Why: it does less."
        ]

    def test_peer_that_does_more_is_told_where_more_is_better(self):
        """As in throughput."""
        rows = [known("redis_pool_ext", 4), known("theirs", 6)]

        assert beaten(rows, "wall", {}) == []
        [remark] = beaten(rows, "wall", {}, more_is_better=True)
        assert remark.startswith("theirs, wall: 1.50 of ours.")

    def test_our_own_other_way_is_no_peer(self):
        """It is a row like others, and no remark."""
        rows = [known("redis_pool_ext", 4), known("redis_pool_ext, pooled", 2)]

        assert beaten(rows, "wall", {}) == []

    def test_difference_that_the_table_does_not_show_is_no_remark(self):
        """Less than half a hundredth."""
        rows = [known("redis_pool_ext", 1.0), known("theirs", 0.996)]

        assert beaten(rows, "wall", {}) == []

    def test_target_is_met_up_to_its_limit(self):
        """And not beyond."""
        assert Target.at_least("x", 8.0, 8.0).is_met
        assert not Target.at_least("x", 7.9, 8.0).is_met
        assert Target.at_most("x", 1.1, 1.1).is_met
        assert not Target.at_most("x", 1.2, 1.1).is_met

    def test_effort_scales_counts_and_leaves_one(self):
        """A quick run still does something."""
        assert Effort(1, 1.0, 0.1).count(200) == 20
        assert QUICK.count(1) == 1


def test_result_comes_back_from_json_as_it_was():
    """The plots can be drawn anew from what a run has written."""
    result = Result(
        "key", "Title", UNIT, with_ratios([known("a", 1, 2), known("b", 3, 4)], "wall"),
        [Target.at_most("t", 1.0, 2.0)], [Curve("c", "x", "y", {"a": [(1.0, 2.0)]}, True)],
        ["remark"], "wall", ["group"],
    )  # fmt: skip

    again = Result.from_dict(json.loads(json.dumps(result.as_dict())))

    assert again.as_dict() == json.loads(json.dumps(result.as_dict()))
    assert again.rows == result.rows
    assert again.targets == result.targets
