"""Cancelling a task at each place where it waits: before it, in it, and after it."""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from enum import Enum
from itertools import count
from typing import Any


class When(Enum):
    """When a task is cancelled, seen from one of its places."""

    BEFORE = "before"  # it goes to sleep only to be woken by the cancellation
    AFTER = "after"  # what it waits for has come, and it has not run yet
    TWICE = "twice"  # and once more wherever it waits while it cleans up


class _Cancelling:
    """Runs a coroutine, and cancels its task at the place with this number."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], place: int, when: When) -> None:
        self._coroutine, self._place, self._when = coroutine, place, when
        self.reached = False

    @types.coroutine
    def run(self) -> Generator[Any, Any, Any]:
        """Go on as the coroutine does, but for the cancellation."""
        value: Any = None
        error: BaseException | None = None
        for number in count():
            try:
                if error is not None:
                    waits_for = self._coroutine.throw(error)
                else:
                    waits_for = self._coroutine.send(value)
            except StopIteration as end:
                return end.value
            self._strike(number, waits_for)
            value = error = None
            try:
                value = yield waits_for
            except BaseException as raised:
                error = raised

    def _strike(self, number: int, waits_for: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        is_here = number == self._place
        self.reached = self.reached or is_here
        if is_here and self._when is When.AFTER and waits_for is not None:
            # This callback comes before the task's own: it is cancelled with a result in hand.
            waits_for.add_done_callback(lambda _: task.cancel())
        elif is_here or (number > self._place and self._when is When.TWICE):
            task.cancel()


async def cancel_everywhere(
    scenario: Callable[[], Coroutine[Any, Any, Any]], when: When
) -> AsyncIterator[int]:
    """Run `scenario` once per place where it waits, cancelled there; yield each place.

    The caller checks, after each, that nothing was lost.
    """
    for place in count():
        run = _Cancelling(scenario(), place, when)
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(_awaiting(run))
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        if not run.reached:
            return
        yield place


async def _awaiting(run: _Cancelling) -> Any:
    return await run.run()
