"""One way to write what threads and tasks do: what a task has to await, a thread has at once."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["done", "entered", "run"]


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, without a loop: on redis-py's clients for threads none waits."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    work.close()
    raise AssertionError("that waits for an event loop")


async def done(returned: Any) -> Any:
    """Return what a call has returned, or will have when it is awaited."""
    return await returned if inspect.isawaitable(returned) else returned


@asynccontextmanager
async def entered(manager: Any) -> AsyncIterator[Any]:
    """Enter a context manager of either kind."""
    if hasattr(manager, "__aenter__"):
        async with manager as inside:
            yield inside
    else:
        with manager as inside:
            yield inside
