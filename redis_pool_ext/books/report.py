"""Who holds what, and where it was taken: the words of the pool's log lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import redis

if TYPE_CHECKING:
    from .records import Slot

__all__ = ["Reported", "caller_site", "describe", "holders"]

# Seconds between two reports of an exhausted pool: under load there are hundreds of
# refusals, and one list of holders says it all.
REPORT_EVERY = 1.0

# Connections that are told of: hundreds would be many lines, written by one who is refused.
_TOLD_OF = 20

NOBODY = "a borrower without a name"

_INSIDE = (str(Path(__file__).parents[1]) + os.sep, str(Path(redis.__file__).parent) + os.sep)


class Reported:
    """When one thing was last logged. Called under its owner's lock, of a pool mostly."""

    __slots__ = ("_at", "_every", "_since")

    def __init__(self, every: float = REPORT_EVERY) -> None:
        self._every = every
        self._at = -every
        self._since = 0

    def is_due(self, now: float) -> int | None:
        """Return how many times went unreported before this one; None: not yet."""
        if now - self._at < self._every:
            self._since += 1
            return None
        self._at = now
        before, self._since = self._since, 0
        return before


def holders(slots: Iterable[Slot], now: float) -> str:
    """Say who has which connection for how long, the one who has it longest first."""
    held = sorted(slots, key=lambda slot: slot.taken_at)
    told = [describe(slot, now) for slot in held[:_TOLD_OF]]
    if len(held) > _TOLD_OF:
        told.append(f"and {len(held) - _TOLD_OF} more, for less long")
    return "; ".join(told) or "nobody"


def describe(slot: Slot, now: float) -> str:
    """Say who holds one connection, for how long, and what it was last used for."""
    connection = slot.connection() if slot.connection is not None else None
    command = connection.last_command if connection is not None else None
    taken = f", taken at {slot.site}" if slot.site is not None else ""
    return (
        f"{slot.holder or NOBODY} for {now - slot.taken_at:.1f} s{taken} "
        f"(last command: {command or 'none'})"
    )


def caller_site() -> str | None:
    """Return the nearest place in the program that is not ours and not redis-py's."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_INSIDE):
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
