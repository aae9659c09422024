"""A budget: seconds to be spent in pieces."""

from __future__ import annotations

from typing import Any

import pytest

from redis_pool_ext import budget as module
from redis_pool_ext.budget import Budget
from redis_pool_ext.config import ConfigError
from redis_pool_ext.deadline import Deadline


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moment that it is, to be moved."""
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def test_time_inside_is_spent(clock: list[float]):
    """What passes inside is taken off; what passes outside is not."""
    budget = Budget(1.0)
    with budget:
        clock[0] += 0.25
        assert budget.left() == 0.75
    clock[0] += 10
    assert budget.left() == 0.75
    with budget:
        clock[0] += 0.5
    assert budget.left() == 0.25


def test_several_inside_spend_the_same_seconds(clock: list[float]):
    """A dial within a command, or two threads at once, cost what passes, once."""
    budget = Budget(1.0)
    with budget:
        clock[0] += 0.1
        with budget:
            clock[0] += 0.1
        clock[0] += 0.1
    assert budget.left() == pytest.approx(0.7)


def test_overspent_budget_has_nothing_left(clock: list[float]):
    """Never less than nothing."""
    budget = Budget(1.0)
    with budget:
        clock[0] += 3
    assert budget.left() == 0.0


def test_exception_ends_the_spending(clock: list[float]):
    """Whatever takes somebody out, the time after it is free."""
    budget = Budget(1.0)
    with pytest.raises(KeyboardInterrupt), budget:
        raise KeyboardInterrupt
    clock[0] += 1
    assert budget.left() == 1.0


def test_budget_cuts_a_deadline():
    """The earlier of the two counts."""
    budget, late, soon = Budget(1.0), Deadline(60), Deadline(0.001)
    assert 0.9 < budget.cut(late).remaining() <= 1.0
    assert budget.cut(soon) is soon


@pytest.mark.parametrize("seconds", [0, -1, "2", True, float("nan"), float("inf")])
def test_impossible_budget_is_an_error(seconds: Any):
    """It names the argument, and the value."""
    with pytest.raises(ConfigError, match="budget"):
        Budget.of(seconds)


def test_budget_of_what_is_one():
    """None is none, a budget is itself, a number is a budget of so many seconds."""
    budget = Budget(1.0)
    made = Budget.of(0.5)
    assert Budget.of(None) is None
    assert Budget.of(budget) is budget
    assert made is not None
    assert made.seconds == 0.5
    assert repr(made) == "<Budget of 0.5 s, 0.500 s left>"
