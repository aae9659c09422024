"""A pool's life in an event loop: it is one's alone, and begins anew when that has ended."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any

from ..deadline import Deadline
from ..errors import LeaseError
from ..pooling.base import PoolBase
from ..stats import PoolStats
from .keeping import AsyncKeeping

__all__ = ["InLoop"]

# At the end of a loop: so many of its turns without a command under way, and nobody has more
# to say. Seconds between two looks while somebody has.
QUIET_TURNS = 3
BREATH = 0.001


class InLoop(PoolBase, AsyncKeeping):
    """The part of the pool that knows its loop, and what may be done where."""

    _loop: asyncio.AbstractEventLoop | None = None
    _farewell: AsyncGenerator[None, None] | None = None

    def _enter(self) -> None:
        """See that this is the pool's loop; the first one to come is.

        Raises `LeaseError` in any other, as long as that one is not closed.
        """
        self._notice_fork()
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move_to(loop)

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None:
            if not self._loop.is_closed():
                raise LeaseError(
                    f'the pool "{self.alias}" belongs to another event loop, which still is '
                    "there: call get_async_pool() in each loop, or make a pool for each",
                    alias=self.alias,
                )
            self._leave_loop()
        self._loop = loop
        self._farewell = _until_it_ends(weakref.ref(self))
        _start(self._farewell)

    def _leave_loop(self) -> None:
        """Forget a loop that ends: no task of it is left, and its sockets close."""
        self._loop = self._next_look = self._next_round = self._round = None
        self._begin_anew(self._ledger)

    async def _wait_for_last_words(self) -> None:
        """Let those finish who are closed beside us, and use Redis as they end.

        A loop closes all its generators at once. Who uses Redis in its `finally` shall not
        find the connection cut; but nothing holds up the loop's end for more than `timeout`.
        """
        deadline, quiet = Deadline(self.timeout), 0
        while quiet < QUIET_TURNS and deadline.remaining():
            quiet = 0 if self._is_busy() else quiet + 1
            await asyncio.sleep(0 if quiet else BREATH)

    def _is_busy(self) -> bool:
        """Tell whether somebody queues, dials, or waits for a reply."""
        ledger = self._ledger
        refs = [slot.connection for slot in ledger.slots() if slot.connection is not None]
        return bool(ledger.queue) or any(
            connection is not None and connection.is_waited_for
            for connection in (ref() for ref in refs)
        )

    def after_fork(self) -> None:
        """Start anew in the child, which has a copy of the parent's loop, and must not touch it."""
        if self._loop is not None and self._pid != os.getpid():
            _of_parents.append((self._loop, self._farewell))
            self._loop = self._farewell = self._next_look = self._next_round = self._round = None
        super().after_fork()

    def _at_home(self, act: Callable[..., Any], *args: Any) -> None:
        """Do what waits for nothing where the sockets are: in the pool's own loop."""
        if self._loop is None or self._loop.is_closed():
            act(*args)  # nothing of it is open any more
        elif asyncio._get_running_loop() is self._loop:
            act(*args)
        else:
            self._loop.call_soon_threadsafe(act, *args)

    @property
    def has_loop(self) -> bool:
        """Tell whether it was used, in an event loop that is still there."""
        return self._loop is not None and not self._loop.is_closed()

    def stats(self) -> PoolStats:
        """Return a snapshot: sizes of one moment, counters, waits and holds. From any thread."""
        loop = self._loop
        if loop is None or not loop.is_running() or asyncio._get_running_loop() is loop:
            return super().stats()
        self._notice_fork()
        with self._lock:  # what finalizers have left behind is settled in the loop
            return self._ledger.stats()


# What a child must not collect: at its end it would wake the parent's loop.
_of_parents: list[Any] = []


async def _until_it_ends(ref: weakref.ref[InLoop]) -> AsyncGenerator[None, None]:
    """Wait for the end of the loop: it closes its generators before itself."""
    try:
        yield
    finally:
        pool = ref()
        if pool is not None and pool._loop is asyncio.get_running_loop():
            await pool._wait_for_last_words()
            pool._leave_loop()
            await asyncio.sleep(0)  # asyncio closes a socket in the turn after


def _start(generator: AsyncGenerator[None, None]) -> None:
    """Go as far as the `yield`, which waits for nothing: now the loop knows of it."""
    with suppress(StopIteration):
        generator.__anext__().send(None)
