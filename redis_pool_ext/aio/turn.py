"""Whose turn it is among the tasks that share a lease."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from ..deadline import Deadline

__all__ = ["Turn"]


class Turn:
    """A lock for tasks: re-entrant, in order of arrival, before a deadline.

    Who gives the turn back need not be who has it: redis-py releases a pipeline's connection
    in a task of its own, so that a second cancellation does not stop it half-way.
    """

    __slots__ = ("_owner", "_queue", "depth")

    def __init__(self) -> None:
        self._owner: object = None
        self.depth: int = 0  # how often its owner has it
        self._queue: deque[tuple[object, asyncio.Future[bool]]] = deque()

    def take_at_once(self, owner: object) -> bool:
        """Take the turn if nobody else has it; who does owes a `give`."""
        if self.depth and self._owner is not owner:
            return False
        self._owner = owner
        self.depth += 1
        return True

    async def take(self, owner: object, deadline: Deadline) -> bool:
        """Wait for the turn; False if it does not come before the deadline."""
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[bool] = loop.create_future()
        place = owner, mine
        self._queue.append(place)
        alarm = loop.call_later(deadline.remaining(), _settle, mine, False)
        has_it = False
        try:
            has_it = await mine
        except BaseException:
            if mine.done() and not mine.cancelled() and mine.result():
                self.give()  # it came in the same moment
            raise
        finally:
            alarm.cancel()
            if not has_it:
                with suppress(ValueError):
                    self._queue.remove(place)
        return has_it

    def is_of(self, owner: object) -> bool:
        """Tell whether it is the turn of `owner`."""
        return self.depth > 0 and self._owner is owner

    def give(self) -> None:
        """Give the turn back; after the last `give`, to the one who waits longest."""
        self.depth -= 1
        if self.depth:
            return
        self._owner = None
        while self._queue:
            owner, turn = self._queue.popleft()
            if not turn.done():
                self._owner, self.depth = owner, 1
                turn.set_result(True)
                return


def _settle(turn: asyncio.Future[bool], has_it: bool) -> None:
    if not turn.done():
        turn.set_result(has_it)
