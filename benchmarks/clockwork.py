"""Time on paper: what is to happen happens in order, and a second takes as long as its events."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from math import inf
from typing import Any

__all__ = ["Action", "Clockwork", "seeded"]

Action = Callable[..., object]


class Clockwork:
    """A clock that jumps from event to event; those of one moment in the order they were set."""

    def __init__(self) -> None:
        self.now = 0.0  # seconds
        self._events: list[tuple[float, int, Action, tuple[Any, ...]]] = []
        self._numbers = count()

    def at(self, moment: float, action: Action, *args: Any) -> None:
        """Have something done at that moment; at once, if it is over."""
        heapq.heappush(self._events, (max(moment, self.now), next(self._numbers), action, args))

    def after(self, seconds: float, action: Action, *args: Any) -> None:
        """Have something done in so many seconds."""
        self.at(self.now + seconds, action, *args)

    def run(self, until: float = inf, watch: Action | None = None) -> None:
        """Let happen what is due by then; `watch` is called after each event."""
        events = self._events
        while events and events[0][0] <= until:
            self.now, _, action, args = heapq.heappop(events)
            action(*args)
            if watch is not None:
                watch()


@contextmanager
def seeded(seed: int) -> Iterator[random.Random]:
    """Let chance be the same each time: what is drawn here, and what the pool's code draws."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield random.Random(seed)
    finally:
        random.setstate(before)
