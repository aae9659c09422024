"""The connections of a pool that nobody holds, and those that are lent: taking, putting back.

A part of the books (`ledger.py`), which say what of this needs the pool's lock.
"""

from __future__ import annotations

import weakref
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..histogram import BOUNDS
from .life import Life
from .records import HELD, IDLE, Slot, SlotState

if TYPE_CHECKING:
    from ..wire.account import Account

__all__ = ["Shelf"]


# A connection that was idle, and why it is to be closed; or None.
Taken = tuple["Account", str] | None


class Shelf:
    """Idle connections, newest last, and the keys of the slots that are lent."""

    max_connections: int
    is_closed: bool
    _slots: dict[int, weakref.ref[Slot]]

    def __init__(self, life: Life) -> None:
        self.life = life
        self.fresh_for: float = life.fresh_for
        self.idle: list[Account] = []  # taken from the end
        self.lent: set[int] = set()  # keys; who removes one has the right to give it back
        self.generation: int = 0  # connections of an older one are not used again
        self.generation_since: float = 0.0  # when that began (monotonic, seconds)
        self.doubted_at: float = 0.0  # when a connection last broke: older idle ones are suspect

    # -- without the lock: single steps, each of them whole -------------------------------

    def take_idle(self, now: float) -> Any:
        """Hand out the connection that was used last, if any; the surplus ones age."""
        try:
            connection = self.idle.pop()
        except IndexError:  # somebody else was quicker than the look
            return None
        slot: Slot = connection.slot  # type: ignore[assignment]  # while it is idle, and ours
        self.lent.add(slot.key)
        slot.tally.acquired += 1
        slot.taken_at = now
        slot.state = HELD
        return connection

    def claim(self, slot: Slot, now: float) -> bool:
        """Take back what is lent; False if it is not. Of two who try, one is told True."""
        try:
            self.lent.remove(slot.key)
        except KeyError:
            return False
        tally, held = slot.tally, now - slot.taken_at
        tally.holds[bisect_left(BOUNDS, held)] += 1
        tally.hold_seconds += held
        return True

    def shelve(self, connection: Account, slot: Slot, now: float) -> None:
        """Put a connection on top of the idle ones; if somebody waits, `serve` is next."""
        slot.state = IDLE
        slot.holder = connection.last = None
        slot.idle_since = now
        slot.fresh_until = now + self.fresh_for
        self.idle.append(connection)

    # -- under the lock -----------------------------------------------------------------

    def begin_generation(self, now: float) -> list[Account]:
        """End the life of all connections; return those that are idle, to be closed."""
        self.generation += 1
        self.generation_since = now
        doomed: list[Account] = []
        while (taken := self.take_outdated()) is not None:
            doomed.append(taken[0])
        return doomed

    def doubt(self, now: float) -> None:
        """Note that a connection broke: those that idle since before that are suspect."""
        self.doubted_at = now
        for connection in self.idle:
            slot = connection.slot
            if slot is not None:
                slot.fresh_until = 0.0

    def take_outdated(self) -> Taken:
        """Take one idle connection that came back while its generation ended."""
        reason = "pool_closed" if self.is_closed else "drained"
        return self._take_first(lambda each, _: each.generation != self.generation, reason)

    def take_aged(self, now: float) -> Taken:
        """Take one idle connection that is not lent any more; None when there is none.

        What `min_idle` keeps ready is no exception: it is renewed.
        """
        return self._take_first(lambda _, slot: now >= slot.expires_at, "expired") or (
            self._take_first(lambda _, slot: self.life.is_too_long(now - slot.idle_since), "idle")
        )

    def take_surplus(self) -> Taken:
        """Take the connection that idles longest, while there are more than there may be."""
        is_over = len(self._slots) > self.max_connections
        return self._take_first(lambda _, _slot: is_over, "surplus")

    def take_unused_since(self, moment: float) -> Taken:
        """Take one that idles since before `moment`."""
        return self._take_first(lambda _, slot: slot.idle_since <= moment, "stale")

    def _take_first(self, is_due: Callable[[Account, Slot], bool], reason: str) -> Taken:
        """Take the first one, of those that idle longest, to close it for `reason`."""
        for connection in self.idle:  # others may add to it and take from it meanwhile
            slot = connection.slot
            if slot is not None and is_due(connection, slot):
                with suppress(ValueError):  # it was lent in this moment
                    self.idle.remove(connection)
                    slot.state = SlotState.CLOSING
                    return connection, reason
        return None
