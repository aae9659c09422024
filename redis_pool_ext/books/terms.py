"""How a pool treats those who wait: what its settings say about the queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..priority import Priority
from .codel import Codel

__all__ = ["Terms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The queue's terms of one pool; seconds.

    `reserved` is how many connections are kept free for a priority, by its name, and for those
    above it (trunk reservation, as in telephone exchanges). `kept_from` is how many are so
    kept from each, and `keeps_some` whether any are.
    """

    max_waiting: int | None = None
    queue_discipline: str = "fifo"
    queue_target: float = 0.1
    queue_interval: float = 1.0
    reserved: Mapping[str, int] | None = None
    kept_from: tuple[int, ...] = field(init=False)
    keeps_some: bool = field(init=False)

    def __post_init__(self) -> None:
        kept_from = tuple(map(self._kept_from, Priority))
        object.__setattr__(self, "kept_from", kept_from)
        object.__setattr__(self, "keeps_some", any(kept_from))

    def _kept_from(self, priority: Priority) -> int:
        kept = self.reserved or {}
        return sum(number for name, number in kept.items() if Priority.of(name) < priority)

    def codel(self) -> Codel | None:
        """Return what tells overload, at its beginning; None where nobody is sent away for it."""
        if self.queue_discipline != "codel":
            return None
        return Codel(self.queue_target, self.queue_interval)
