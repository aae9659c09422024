"""The line: by priority, and within one by arrival."""

from __future__ import annotations

import pytest

from redis_pool_ext.books.line import Line
from redis_pool_ext.books.records import Waiter
from redis_pool_ext.priority import Priority

HIGH, NORMAL, LOW = Priority


def of(priority: Priority = NORMAL, ticket: int | None = None) -> Waiter:
    waiter = Waiter(60, priority)
    waiter.ticket = ticket
    return waiter


@pytest.fixture
def line() -> Line:
    return Line()


def join(line: Line, *priorities: Priority) -> list[Waiter]:
    waiters = [of(each) for each in priorities]
    for waiter in waiters:
        line.join(waiter)
    return waiters


def test_higher_priority_goes_first(line: Line):
    """Whenever it came; within one the order is that of arrival."""
    low, first, high, second = join(line, LOW, NORMAL, HIGH, NORMAL)

    assert list(line.in_order()) == [high, first, second, low]
    assert line.first() is high


def test_empty_line_has_no_first(line: Line):
    """Nor a length, nor a truth."""
    [waiter] = join(line, LOW)
    line.leave(waiter)
    line.leave(waiter)  # twice is fine

    assert line.first() is None
    assert not line


def test_who_left_half_way_is_passed_over(line: Line):
    """An exception struck as it left: it is in its lane, and waits no more."""
    gone, here, gone_too = join(line, NORMAL, NORMAL, NORMAL)
    line.discard(gone)
    line.discard(gone_too)

    assert list(line.in_order()) == [here]
    assert line.last_behind(of(HIGH)) is here
    assert line.first() is here


def test_those_ahead_are_counted(line: Line):
    """Those of the same priority who came before, and all of a higher one."""
    low, *_, high = join(line, LOW, NORMAL, NORMAL, HIGH)
    assert line.ahead_of(high) == 0
    assert line.ahead_of(low) == 3


def test_last_behind_is_of_the_lowest_priority(line: Line):
    """The one who came last there; nobody of the own priority."""
    _first_low, _normal, last_low = join(line, LOW, NORMAL, LOW)

    assert line.last_behind(of(HIGH)) is last_low
    assert line.last_behind(of(NORMAL)) is last_low
    assert line.last_behind(of(LOW)) is None


def test_who_comes_back_keeps_its_place_in_its_lane(line: Line):
    """It had its turn, and got nothing good."""
    first_low, low, normal = join(line, LOW, LOW, NORMAL)
    line.leave(first_low)
    line.join(first_low)

    assert list(line.in_order()) == [normal, first_low, low]
