"""The way out when nothing is idle: a task waits its turn, before a deadline."""

from __future__ import annotations

import asyncio
from time import monotonic

from ..books.records import Slot, Waiter
from ..pooling.queueing import Queueing
from .bell import Bell
from .connection import GuardedAsyncConnection

__all__ = ["AsyncWaiting"]

# Seconds between two looks at what nobody was woken for; one look serves all who wait.
GLANCE = 0.05


class AsyncWaiting(Queueing):
    """The part of the pool that lets tasks wait their turn.

    A task that is cancelled, once or twice, leaves nothing behind: what has to be done then
    waits for nothing.
    """

    _next_look: asyncio.TimerHandle | None = None

    async def _queue(
        self, waiter: Waiter, instead_of: Slot | None = None
    ) -> GuardedAsyncConnection | Slot:
        """Wait for a connection, or for a free slot to dial in.

        A waiter that has had its turn, and got nothing good, goes back to where it was;
        a slot that it still has (`instead_of`) is freed in the same step.
        """
        if self._lock._is_owned():  # type: ignore[attr-defined]
            raise self._asked_inside()
        waiter.gift = None  # no good: whoever walks away now must not give it back
        began = monotonic()
        try:
            if self._join_queue(waiter, began, instead_of):
                await self._wait(waiter, began)
            if waiter.gift is None:
                self._leave_queue(waiter)
        except BaseException:
            self._walk_away(waiter)
            raise
        if waiter.gift is None:
            self._refuse(waiter)
        gift: GuardedAsyncConnection | Slot = waiter.gift
        return gift

    async def _wait(self, waiter: Waiter, began: float) -> None:
        """Sleep until there is a gift or a refusal, or until its deadline; count that."""
        loop, bell = asyncio.get_running_loop(), waiter.wake
        assert isinstance(bell, Bell)
        alarm = loop.call_later(max(0.0, waiter.at - began), bell.release)
        self._look_now_and_then(loop)
        try:
            await bell.wait()
        finally:  # also for one that is cancelled
            alarm.cancel()
            self._count_wait(waiter, monotonic() - began)

    def _look_now_and_then(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at what nobody was woken for, as long as somebody waits."""
        if self._next_look is None:
            self._next_look = loop.call_later(GLANCE, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next_look = None
        self._look_for_who_waits()
        if self._ledger.queue:
            self._look_now_and_then(loop)
