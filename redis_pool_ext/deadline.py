"""One moment that a whole piece of work must not pass."""

from __future__ import annotations

from time import monotonic

__all__ = ["Deadline"]


class Deadline:
    """A moment on the monotonic clock, computed once on entry and handed down.

    A timeout per step adds up (queue, then each address, then each reply); a deadline
    does not. `seconds` is how long it was at its beginning, for who is told of its end.
    """

    __slots__ = ("at", "seconds")

    def __init__(self, seconds: float, began: float | None = None) -> None:
        """`seconds` from now, or from the moment `began`."""
        self.seconds: float = seconds
        self.at: float = (monotonic() if began is None else began) + seconds

    def at_least(self, seconds: float) -> Deadline:
        """Return this deadline, or a later one if less than `seconds` are left."""
        if self.remaining() >= seconds:
            return self
        later = Deadline(seconds)
        later.seconds = max(seconds, self.seconds)
        return later

    def remaining(self) -> float:
        """Return the seconds that are left, never less than 0."""
        return max(0.0, self.at - monotonic())
