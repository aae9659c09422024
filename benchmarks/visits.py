"""Who comes to a pool on paper, and how that ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["BROKEN", "SERVED", "OnPaper", "Visit"]

# What a visit that got a connection ended with: the work was done, or the server went away.
SERVED, BROKEN = "served", "broken"


class Visit:
    """One try to get a connection for so many seconds of work; `ended(visit)` hears of the end.

    `end` is "served", "broken" (the server went away), or the name of the refusal.
    """

    __slots__ = ("at", "client", "end", "ended", "seconds", "work")

    def __init__(
        self, work: float, ended: Callable[[Visit], object] = lambda _: None, client: int = 0
    ) -> None:
        self.work = work
        self.ended = ended
        self.client = client
        self.at = 0.0
        self.seconds = 0.0
        self.end: str | None = None

    def end_with(self, end: str, now: float) -> None:
        """Note the end, and tell of it."""
        self.end, self.seconds = end, now - self.at
        self.ended(self)


class OnPaper(Protocol):
    """What can be visited."""

    def visit(self, visit: Visit) -> None:
        """Let somebody come for a connection."""
