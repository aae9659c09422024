"""What one request may spend on Redis, in all: twenty commands times a timeout do not add up."""

from __future__ import annotations

import threading
from time import monotonic

from .deadline import Deadline
from .problems import ConfigError
from .rule import SECONDS

__all__ = ["Budget"]


class Budget:
    """Seconds to be spent in pieces: in the queue, on dials, commands and retries.

    Spent is the time inside `with budget:`; what a view computes in between costs nothing.
    Several at once (threads, tasks, a dial within a command) spend the same seconds, not
    each its own. Nobody is interrupted: who is inside asks `left()`, and waits no longer.
    """

    __slots__ = ("_inside", "_lock", "_since", "_spent", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds: float = seconds
        self._spent = 0.0
        self._inside = 0
        self._since = 0.0
        # Protects the three above it, for a few byte codes. Re-entrant, for signal handlers.
        self._lock = threading.RLock()

    @classmethod
    def of(cls, seconds: Budget | float | None, path: str = "budget") -> Budget | None:
        """Return a budget of so many seconds; the one given, if it is one; None for None.

        Raises `ConfigError`, which calls the setting or argument `path`.
        """
        if seconds is None or isinstance(seconds, Budget):
            return seconds
        problem = SECONDS.problem(path, seconds)
        if problem is not None:
            raise ConfigError([problem])
        return cls(seconds)

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._since = monotonic()
            self._inside += 1

    def __exit__(self, *_exc: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._spent += monotonic() - self._since

    def __repr__(self) -> str:
        return f"<Budget of {self.seconds:g} s, {self.left():.3f} s left>"

    def left(self) -> float:
        """Return the seconds that may still be spent, never less than 0."""
        with self._lock:
            running = monotonic() - self._since if self._inside else 0.0
            return max(0.0, self.seconds - self._spent - running)

    def cut(self, deadline: Deadline) -> Deadline:
        """Return `deadline`, or an earlier one when the budget does not last so long."""
        limit = Deadline(self.left())
        return limit if limit.at < deadline.at else deadline
