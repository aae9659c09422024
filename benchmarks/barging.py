"""redis-py's blocking pool on paper, as far as its queue goes."""

from __future__ import annotations

from collections import deque
from functools import partial

from redis_pool_ext.books.records import Refusal

from .clockwork import Clockwork
from .servers import Server
from .visits import BROKEN, SERVED, Visit

__all__ = ["BargingPool"]

WAKING = 0.00003  # seconds until a thread that was woken runs; about what it takes here


class BargingPool:
    """redis-py's blocking pool: who is woken may find that a newcomer was quicker.

    Then it goes to the end of the line. All connections are there; a wait ends after `timeout`.
    """

    def __init__(
        self, clock: Clockwork, server: Server, *, max_connections: int, timeout: float
    ) -> None:
        self._clock = clock
        self._server = server
        self._free = max_connections
        self._timeout = timeout
        self._waiting: deque[Visit] = deque()

    def fill(self) -> None:
        """Nothing is to be done: they are there."""

    def visit(self, visit: Visit) -> None:
        """Let somebody come for a connection."""
        visit.at = self._clock.now
        if not self._take(visit):
            self._waiting.append(visit)
            self._clock.at(visit.at + self._timeout, self._give_up, visit)

    def _take(self, visit: Visit) -> bool:
        if not self._free:
            return False
        self._free -= 1
        self._server.work(visit.work, partial(self._back, visit))
        return True

    def _woken(self, visit: Visit) -> None:
        if visit.end is None and not self._take(visit):
            if self._clock.now >= visit.at + self._timeout:
                visit.end_with(Refusal.TIMED_OUT.value, self._clock.now)
            else:
                self._waiting.append(visit)

    def _give_up(self, visit: Visit) -> None:
        if visit in self._waiting:  # else it is served, or about to look
            self._waiting.remove(visit)
            if not self._take(visit):
                visit.end_with(Refusal.TIMED_OUT.value, self._clock.now)

    def _back(self, visit: Visit, is_done: bool) -> None:
        self._free += 1
        if self._waiting:
            self._clock.after(WAKING, self._woken, self._waiting.popleft())
        visit.end_with(SERVED if is_done else BROKEN, self._clock.now)
