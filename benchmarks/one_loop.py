"""One event loop for all contenders of a benchmark, under a harness that knows of none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from typing import Any, NamedTuple

from .harness import Contender, Run

__all__ = ["AsyncContender", "Opening", "Work", "hosted"]

# Does the work so many times.
Work = Callable[[int], Coroutine[Any, Any, None]]

Opening = Callable[[], AbstractAsyncContextManager[Work]]


class AsyncContender(NamedTuple):
    """One way to do the work in a task. `open` gives a `work(n)` that does it n times."""

    name: str
    open: Opening
    note: str = ""  # how it is set up, in a few words


def hosted(runner: asyncio.Runner, contender: AsyncContender) -> Contender:
    """Return the contender as the harness wants it: opened, run and closed in one loop."""
    return Contender(contender.name, partial(_host, runner, contender.open), contender.note)


@contextmanager
def _host(runner: asyncio.Runner, opening: Opening) -> Iterator[Run]:
    """Open a contender, and close it at the end, both in one task that does nothing else.

    What is built on anyio has to be closed by the task that opened it, and each run is
    another one. Raises what the opening raises.
    """
    loop = runner.get_loop()
    opened: asyncio.Future[Work] = loop.create_future()
    is_over = asyncio.Event()

    async def stay() -> None:
        async with opening() as work:
            opened.set_result(work)
            await is_over.wait()

    host = loop.create_task(stay())
    work = runner.run(_opened(opened, host))
    try:
        yield lambda number: runner.run(work(number))
    finally:
        is_over.set()
        runner.run(_end(host))


async def _opened(opened: asyncio.Future[Work], host: asyncio.Task[None]) -> Work:
    ends: list[asyncio.Future[Any]] = [opened, host]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if not opened.done():
        await host  # it has failed
    return opened.result()


async def _end(host: asyncio.Task[None]) -> None:
    await host
