"""A pool in the plainest words: what it has, who waits, and what it must do next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Idle:
    """An idle connection, since when it is, and until when it may be used."""

    connection: Any
    since: float
    expires: float
    is_dead: bool = False


@dataclass
class Model:
    """Lists and counters; every moment comes from outside."""

    max_connections: int
    max_waiting: int | None
    max_idle: int
    idle_timeout: float
    is_closed: bool = False
    is_paused: bool = False
    idle: list[Idle] = field(default_factory=list)  # newest last
    out: list[Any] = field(default_factory=list)  # connections
    old: list[Any] = field(default_factory=list)  # those of them from an earlier generation
    queue: list[tuple[Any, float]] = field(default_factory=list)  # (waiter, deadline), oldest first
    ends: Counter[str] = field(default_factory=Counter)
    discarded: Counter[str] = field(default_factory=Counter)

    @property
    def size(self) -> int:
        return len(self.idle) + len(self.out)

    def can_lend(self) -> bool:
        return not self.is_paused and bool(self.idle or self.size < self.max_connections)

    def refusal(self) -> str | None:
        """Say how a request ends that cannot be served and would not wait."""
        if self.is_closed:
            return "closed"
        if self.can_lend():
            return None
        is_full = self.max_waiting is not None and len(self.queue) >= self.max_waiting
        return "queue_full" if is_full else "timed_out"

    def pick(self, now: float) -> Any | None:
        """Choose the connection to lend, None: a new one; throw away what is not fit."""
        while self.idle:
            idle = self.idle.pop()
            is_old = now - idle.since >= self.idle_timeout or now >= idle.expires
            if not (idle.is_dead or is_old):
                return idle.connection
            self.discarded["stale"] += 1
        return None

    def lent(self, connection: Any) -> None:
        self.out.append(connection)
        self.ends["acquired"] += 1

    def take_back(self, connection: Any, now: float, expires: float, dirt: str | None) -> None:
        self.out.remove(connection)
        reason = dirt or self._excess(connection, now, expires)
        if reason is None:
            self.idle.append(Idle(connection, now, expires))
        else:
            self.discarded[reason] += 1

    def _excess(self, connection: Any, now: float, expires: float) -> str | None:
        if self.is_closed:
            return "pool_closed"
        if connection in self.old:
            return "drained"
        if now >= expires:
            return "expired"
        is_wanted = self.queue and not self.is_paused
        is_unwanted = not is_wanted and len(self.idle) >= self.max_idle
        return "surplus" if is_unwanted or self.size + 1 > self.max_connections else None

    def served(self) -> int:
        """Return how many of those who wait are served now."""
        if self.is_paused:
            return 0
        return min(len(self.queue), len(self.idle) + max(0, self.max_connections - self.size))

    def expired(self, now: float) -> list[Any]:
        return [waiter for waiter, deadline in self.queue if deadline <= now]

    def remove(self, waiter: Any, end: str) -> None:
        self.queue = [each for each in self.queue if each[0] is not waiter]
        self.ends[end] += 1

    def drain(self, reason: str) -> None:
        self.discarded[reason] += len(self.idle)
        self.idle.clear()
        self.old += self.out

    def shrink(self) -> None:
        while self.idle and self.size > self.max_connections:
            self.idle.pop(0)
            self.discarded["surplus"] += 1

    def age(self, now: float, min_idle: int) -> None:
        """Throw away what a round of housekeeping finds too old."""
        for idle in list(self.idle):
            if now >= idle.expires:
                self._throw(idle, "expired")
            elif len(self.idle) > min_idle and now - idle.since >= self.idle_timeout:
                self._throw(idle, "idle")

    def _throw(self, idle: Idle, reason: str) -> None:
        self.idle.remove(idle)
        self.discarded[reason] += 1
