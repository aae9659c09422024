"""The line of those who wait: by priority, and within one by arrival."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import count, takewhile

from ..priority import Priority
from .records import Waiter

__all__ = ["Line"]

Lane = OrderedDict[Waiter, None]  # oldest first


class Line(set[Waiter]):
    """All who wait. Whether there are any, and how many, is asked of a set: one call into C.

    Their order is in `lanes`, one for each priority. Who is in a lane and not in the set has
    left, and was struck by an exception as it did: `first` passes it over.
    """

    def __init__(self) -> None:
        super().__init__()
        self.begun = 0  # how many had to wait, ever
        self.lanes: tuple[Lane, ...] = tuple(OrderedDict() for _ in Priority)
        self._tickets = count(1)
        self._early_tickets = count(-(2**62))  # less than those, for ever

    def join(self, waiter: Waiter) -> None:
        """Put a waiter at the end of its lane, or back to where it was there.

        One that has had its turn, and got nothing good, has its ticket already.
        """
        lane = self.lanes[waiter.priority]
        self.add(waiter)
        if waiter.ticket is None:
            waiter.ticket = next(self._tickets)
            lane[waiter] = None
            return
        if waiter.ticket == 0:  # before all who queued, after others like itself
            waiter.ticket = next(self._early_tickets)
        earlier = list(takewhile(waiter.comes_after, lane))
        lane[waiter] = None
        for other in (waiter, *reversed(earlier)):
            lane.move_to_end(other, last=False)

    def leave(self, waiter: Waiter) -> None:
        """Take a waiter out, wherever it is in the line; twice is fine."""
        self.discard(waiter)
        self.lanes[waiter.priority].pop(waiter, None)

    def dismiss(self, waiter: Waiter) -> None:
        """Take a waiter out, and wake it: last, for the longer its waker goes on the later it runs.

        Who is struck in between has it wait until it looks by itself.
        """
        self.leave(waiter)
        waiter.wake.release()

    def first(self) -> Waiter | None:
        """Return who is to be served next; None where nobody waits."""
        for lane in self.lanes:
            if lane and (waiter := self.first_of(lane)) is not None:
                return waiter
        return None

    def first_of(self, lane: Lane) -> Waiter | None:
        """Return who has waited longest in one lane."""
        while lane:
            waiter = next(iter(lane))
            if waiter in self:
                return waiter
            del lane[waiter]
        return None

    def waits_since(self, now: float) -> float:
        """Return the moment since when somebody waits, `now` where nobody does."""
        heads = [self.first_of(lane) for lane in self.lanes if lane]
        return min([each.since for each in heads if each is not None], default=now)

    def last_behind(self, waiter: Waiter) -> Waiter | None:
        """Return who came last, of the lowest priority; None where none is below `waiter`'s."""
        for lane in reversed(self.lanes[waiter.priority + 1 :]):
            for last in reversed(lane):
                if last in self:
                    return last
        return None

    def ahead_of(self, waiter: Waiter) -> int:
        """Return how many are served before one who has just joined."""
        return sum(map(len, self.lanes[: waiter.priority + 1])) - 1

    def in_order(self) -> Iterator[Waiter]:
        """Yield all of them, next first."""
        for lane in self.lanes:
            yield from (waiter for waiter in lane if waiter in self)
