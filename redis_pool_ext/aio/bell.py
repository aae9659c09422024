"""What a task sleeps on, in place of a lock."""

from __future__ import annotations

import asyncio

__all__ = ["Bell"]


class Bell:
    """Rings once, for one task; under the names of a lock, which are all that the books know.

    Whoever releases it may be in another thread: a pool is resized or closed from anywhere.
    """

    __slots__ = ("_loop", "_rung")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = self._loop.create_future()

    def locked(self) -> bool:
        """Tell whether it has still to ring."""
        return not self._rung.done()

    def acquire(self, _blocking: bool = True, _timeout: float = -1, /) -> None:
        """Make it ready to ring once more."""
        self._rung = self._loop.create_future()

    def release(self) -> None:
        """Ring; more than once is as good as once."""
        if asyncio._get_running_loop() is self._loop:
            _ring(self._rung)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_ring, self._rung)

    async def wait(self) -> None:
        """Sleep until it rings."""
        await self._rung


def _ring(rung: asyncio.Future[None]) -> None:
    if not rung.done():
        rung.set_result(None)
