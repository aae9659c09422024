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
    kept_from: tuple[int, ...] = (0, 0, 0)
    is_closed: bool = False
    is_paused: bool = False
    idle: list[Idle] = field(default_factory=list)  # newest last
    out: list[Any] = field(default_factory=list)  # connections
    old: list[Any] = field(default_factory=list)  # those of them from an earlier generation
    # (waiter, deadline, priority), in the order in which they are to be served
    queue: list[tuple[Any, float, int]] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    discarded: Counter[str] = field(default_factory=Counter)

    @property
    def size(self) -> int:
        return len(self.idle) + len(self.out)

    def can_lend(self, priority: int) -> bool:
        if self.is_paused or len(self.out) >= max(
            self.max_connections - self.kept_from[priority], 1
        ):
            return False
        return bool(self.idle or self.size < self.max_connections)

    def refusal(self, priority: int) -> str | None:
        """Say how a request ends that cannot be served and would not wait."""
        if self.is_closed:
            return "closed"
        if self.can_lend(priority):
            return None
        if self.to_make_room(priority) is not None:
            return "timed_out"
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

    def to_make_room(self, priority: int) -> Any | None:
        """Return who has to leave a full queue, for one of this priority."""
        is_full = self.max_waiting is not None and len(self.queue) >= self.max_waiting
        last = self.queue[-1] if is_full and self.queue else None
        return last[0] if last is not None and last[2] > priority else None

    def queue_up(self, waiter: Any, deadline: float, priority: int) -> None:
        self.queue.append((waiter, deadline, priority))
        self.queue.sort(key=lambda each: each[2])  # keeps those who are alike in order

    def served(self) -> int:
        """Return how many of those who wait are served now."""
        most = len(self.idle) + max(0, self.max_connections - self.size)
        number = 0
        for *_, priority in self.queue[: 0 if self.is_paused else most]:
            if len(self.out) + number >= max(self.max_connections - self.kept_from[priority], 1):
                break
            number += 1
        return number

    def expired(self, now: float) -> list[Any]:
        return [waiter for waiter, deadline, _ in self.queue if deadline <= now]

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
