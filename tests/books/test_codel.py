"""Overload told from a burst, on a clock of its own."""

from __future__ import annotations

import pytest

from redis_pool_ext.books.codel import Codel

TARGET, INTERVAL = 0.125, 1.0
STEP = 0.125  # no rounding


class Queue:
    """A queue in which somebody waits from the first moment on, and how long those wait."""

    def __init__(self) -> None:
        self.codel = Codel(TARGET, INTERVAL)
        self.now = 100.0
        self.since = self.now  # who waits longest
        self.codel.joined(self.now, is_alone=True)

    def passes(self, seconds: float, *, wait: float | None = 0.5, shed: int = 0) -> bool:
        """Serve somebody at each step after `wait` (None: nobody); tell of overload."""
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            if wait is not None:
                self.codel.served(wait)
            for _ in range(shed):
                self.codel.sent_away()
            self.codel.look(self.now, self.since)
        return self.codel.is_overloaded


@pytest.fixture
def queue() -> Queue:
    return Queue()


def test_long_waits_for_a_whole_interval_are_overload(queue: Queue):
    """Not before it is over."""
    assert not queue.passes(0.875)
    assert queue.passes(STEP)


def test_one_short_wait_in_an_interval_is_none(queue: Queue):
    """The queue that stands for that long has nobody who is served at once."""
    queue.codel.served(TARGET)
    assert not queue.passes(1)
    assert queue.passes(1)  # the next one has none


def test_nobody_served_in_an_interval_is_overload(queue: Queue):
    """The server stalls: whoever waits has waited for longer than the target."""
    assert queue.passes(1, wait=None)


def test_queue_that_was_empty_begins_anew(queue: Queue):
    """A burst that has gone does not count against the next one."""
    queue.passes(0.875)
    queue.codel.joined(queue.now, is_alone=True)
    assert not queue.passes(0.875)
    assert queue.passes(STEP)


def test_queue_that_ran_empty_is_not_judged_by_who_comes_next(queue: Queue):
    """One waited for long and was served; the interval was over only after that."""
    queue.codel.served(0.5)
    queue.now += 1.5 * INTERVAL
    queue.codel.joined(queue.now, is_alone=True)
    assert not queue.codel.is_overloaded


def test_queue_that_runs_empty_does_not_end_overload(queue: Queue):
    """At four times the load a short queue does so now and then; who was refused tells."""
    queue.passes(1)
    for _ in range(8):
        queue.codel.joined(queue.now, is_alone=True)
        assert queue.passes(STEP, wait=0.01, shed=1)


def test_queue_that_runs_empty_does_not_keep_overload(queue: Queue):
    """The verdict is not put off."""
    queue.passes(1)
    for _ in range(8):
        queue.codel.joined(queue.now, is_alone=True)
        queue.passes(STEP, wait=0.01)
    assert not queue.codel.is_overloaded


def test_overload_ends_with_an_interval_in_which_nobody_was_sent_away(queue: Queue):
    """However long those wait who are served."""
    queue.passes(1)
    assert queue.passes(2, shed=1)
    assert not queue.passes(1)


def test_overload_is_over_when_nobody_came_for_long(queue: Queue):
    """Nobody has looked meanwhile."""
    assert queue.passes(1, shed=1)
    queue.now += 10
    queue.codel.look(queue.now, queue.now)
    assert not queue.codel.is_overloaded


def test_looks_that_are_far_apart_see_overload(queue: Queue):
    """Somebody has waited all the time, though nobody came and nobody went."""
    queue.now += 10
    queue.codel.look(queue.now, queue.since)
    assert queue.codel.is_overloaded


def test_as_many_may_wait_as_are_served_in_a_target(queue: Queue):
    """Eight a second make one in an eighth; and one there always is."""
    queue.passes(1)
    assert queue.codel.room == 1
    for _ in range(72):
        queue.codel.served(0.5)
    queue.passes(1, shed=1)
    assert queue.codel.room == 10
    queue.passes(2, wait=None, shed=1)
    assert queue.codel.room == 1


def test_who_waits_for_two_targets_is_too_late_in_overload_only(queue: Queue):
    """Otherwise the timeout is the limit."""
    codel = queue.codel
    assert not codel.is_too_late(queue.now - 50, queue.now)
    queue.passes(1)
    assert codel.is_too_late(queue.now - 0.26, queue.now)
    assert not codel.is_too_late(queue.now - 0.24, queue.now)
