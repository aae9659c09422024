"""Down is not exhausted: after a few failed dials, stop making callers wait for one."""

from __future__ import annotations

import copy
import random

import redis

__all__ = ["Circuit"]

FAILURES_TO_OPEN = 3
BACKOFF_BASE = 0.1
BACKOFF_CAP = 5.0


class Circuit:
    """Count dials that failed in a row; when open, admit one prober at a time.

    No lock of its own: every method is called under the pool's lock. No thread either:
    the first caller after the backoff is the prober, everybody else is told at once.
    The backoff doubles from 0.1 s to 5 s; each is cut by up to a half at random, so that
    many processes do not knock together.
    """

    __slots__ = ("_failures", "_prober", "last_error", "next_probe")

    def __init__(self) -> None:
        self._failures = 0
        self._prober: int | None = None
        self.last_error: BaseException | None = None
        self.next_probe = 0.0

    @property
    def is_open(self) -> bool:
        """Tell whether the server counts as down."""
        return self._failures >= FAILURES_TO_OPEN

    @property
    def state(self) -> str:
        """Name the state as `stats()` shows it."""
        if not self.is_open:
            return "closed"
        return "open" if self._prober is None else "probing"

    def admits(self, now: float) -> bool:
        """Tell whether a dial may start now."""
        return not self.is_open or (self._prober is None and now >= self.next_probe)

    def begin(self, key: int) -> None:
        """Note that the slot `key` starts to dial; on an open circuit it is the probe."""
        if self.is_open:
            self._prober = key

    def let_go(self, key: int) -> None:
        """Forget the probe of slot `key`, however it ended."""
        if self._prober == key:
            self._prober = None

    def succeeded(self) -> None:
        """Note a finished handshake: the server is there."""
        self._failures = 0
        self.last_error = None

    def failed(self, now: float, error: BaseException) -> None:
        """Note a dial that did not reach the server."""
        self._failures += 1
        self.last_error = _without_traceback(error)
        steps = min(self._failures - FAILURES_TO_OPEN, 16)
        if steps >= 0:
            backoff = min(BACKOFF_CAP, BACKOFF_BASE * 2.0**steps)
            self.next_probe = now + random.uniform(backoff / 2, backoff)


def _without_traceback(error: BaseException) -> BaseException:
    """Return a copy of an error, to be kept for as long as the server is down.

    A traceback would keep the caller's frames alive, and all that these hold.
    """
    try:
        return copy.copy(error)
    except Exception:  # a class of somebody else's that is not made from its `args`
        return redis.ConnectionError(f"{type(error).__name__}: {error}")
