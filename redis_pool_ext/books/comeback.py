"""When those who are refused are to come back: each to room of its own, not all together.

Whoever is refused comes again, and then needs a connection as everybody else. So each refusal
books its part of the pool's time, one hold on one connection, behind those that were booked
before; a pool that refuses a thousand in a moment sends them back over as many seconds as it
needs to serve a thousand. What is booked runs off with the clock.

`Retry-After` is in whole seconds (RFC 9110 knows no others, and its dates are no finer), so
each gets a whole number out of [wait, 2 * wait], at random. With waits that grow as the crowd
does, clients arrive at ln 2, seven tenths, of what the pool can serve, and what is left is for
who comes for the first time. A crowd that one second of the pool can serve needs no more
spreading than 1 or 2.
"""

from __future__ import annotations

import math
import random
from collections import deque
from typing import NamedTuple

__all__ = ["LONGEST", "Comeback", "whole_seconds"]

# Seconds: nobody is sent away for longer, however many they are.
LONGEST = 30

# Seconds that a hold is remembered for, and between two looks that are kept.
_RECENT = 10.0
_LOOK_EVERY = 0.5


class _Look(NamedTuple):
    at: float  # monotonic, seconds
    released: int
    hold_seconds: float


class Comeback:
    """What one pool knows of its holds, and what it has booked. Called under the pool's lock."""

    __slots__ = ("_booked", "_looks", "hold")

    def __init__(self) -> None:
        self.hold: float = 0.0  # seconds that one lasts these days; 0 while nothing is known
        self._booked = 0.0  # until when (monotonic, seconds)
        self._looks: deque[_Look] = deque()

    def learn(self, now: float, released: int, hold_seconds: float, ages: list[float]) -> None:
        """Look at the holds so far, and at those that go on, each for some seconds (`ages`).

        The mean of the last seconds, begun with that of before, as much as one round of all
        connections; those that go on count, or a pool where everything hangs would go by how
        quick it was before. One that is kept for ever counts as one of those seconds.
        """
        while self._looks and now - self._looks[0].at > _RECENT:
            self._looks.popleft()
        look = _Look(now, released, hold_seconds)
        if not self._looks or now - self._looks[-1].at >= _LOOK_EVERY:
            self._looks.append(look)
        first = self._looks[0]
        earlier = min(first.released, len(ages))
        before = earlier * first.hold_seconds / first.released if earlier else 0.0
        seconds = before + hold_seconds - first.hold_seconds
        seconds += sum([min(age, _RECENT) for age in ages])
        ended = earlier + released - first.released
        self.hold = seconds / max(ended, len(ages), 1)

    def book(self, now: float, waiting: int, connections: int) -> float:
        """Return in how many seconds there is room for one more, behind `waiting` others."""
        each = self.hold / max(connections, 1)
        booked = max(self._booked - now, 0.0)
        # No further than anybody is sent: after the crowd has gone, that is not to go on.
        self._booked = now + min(booked + each, LONGEST / 2)
        return booked + (waiting + 1) * each


def whole_seconds(wait: float, most: int = LONGEST) -> int:
    """Return a `Retry-After` for a wait: at least 1, at most `most`, drawn anew for each."""
    least = max(1, math.ceil(min(wait, most // 2)))
    return random.randint(least, 2 * least)
