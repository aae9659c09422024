"""The pool's books: who has which slot, who waits, and in what order.

Plain code that never waits, does no I/O and has no lock of its own. Methods are called
under the pool's lock, but for the few that take and put back an idle connection: those
go in single steps, and need none.

A slot is an object, and whoever drops it gives it back. An exception can strike between
any two byte codes (a signal handler, an asynchronous exception); instead of guarding
each gap, the slot dies with the frame that held it and its weak reference goes to the
graveyard. So a slot cannot be lost, whatever happened to its holder.

Outside the lock the pool relies on single steps only: `append`, `pop` and `remove` of a
list, `add` and `remove` of a set, `append` and `popleft` of a deque, `setdefault` and
`pop` of a dict. Each is one call into C, and a free-threaded build does it under the
object's own lock. A plain read (`is_closed`, `generation`, whether there is anything in
the graveyard) may be one change late. Where that matters, two look crosswise: a
connection that comes back is put on the shelf *before* its releaser looks at the queue,
the generation and the bounds; who queues up, ends a generation or makes the pool smaller
does so *before* it looks at the shelf. So at least one of the two sees the other, and
settles it under the lock.
"""

from __future__ import annotations

import weakref
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any

from ..observing import observers
from ..stats import Counters, PoolStats, Tally, snapshot
from .circuit import BACKOFF_CAP, Circuit, ServerFull
from .life import Life
from .records import HELD, Refusal, Slot, SlotState
from .refusing import Look, Refusing
from .terms import Terms
from .turns import Turns
from .verdict import Verdict

if TYPE_CHECKING:
    from ..wire.account import Account

__all__ = ["Ledger"]


class Ledger(Turns):
    """Slots, idle connections and waiters of one pool in one process."""

    def __init__(  # noqa: PLR0913  one setting an argument
        self,
        *,
        alias: str,
        max_connections: int,
        max_connecting: int,
        terms: Terms,
        life: Life,
        longest_backoff: float = BACKOFF_CAP,
    ) -> None:
        super().__init__(life, terms)
        self.alias = alias
        self.max_connections = max_connections
        self.max_connecting = max_connecting
        self.circuit: Circuit = Circuit(longest_backoff)
        self.counters: Counters = Counters()
        self.server: tuple[str, int] | None = None  # where that is, if somebody has to be asked
        self.is_closed = False
        self.server_full: ServerFull = ServerFull()
        # Dead references to slots that were dropped; a bell for `bury`. A slot's callback
        # is `graveyard.append` itself: a call in C, which no exception can strike before
        # it has done its work, and which takes no lock. Finalizers run anywhere, also
        # under the pool's lock; so they only leave a note.
        self.graveyard: deque[weakref.ref[Slot]] = deque()
        # Released by a finalizer or signal handler while its thread had the lock.
        self.returned: deque[Account] = deque()
        # Whether what comes back, and what is lent, goes the careful way. The quick ones ask
        # these and nothing else; so all that is rare has to be folded into them. Attributes are
        # few on purpose: Python 3.11 looks those of an object up slower when it has over 30.
        self.takes_with_care: bool = life.max_idle is not None
        self.lends_with_care: bool = False
        self._slots: dict[int, weakref.ref[Slot]] = {}
        self._tallies: dict[int, Tally] = {}
        self._connecting: set[int] = set()
        self._keys = count(1)
        self.refusing: Refusing = Refusing()

    def go_on_counting(self, before: Ledger) -> None:
        """Give no slot a key that one of the parent's has: its owner may go on in the child."""
        self._keys = before._keys

    # -- taking and giving back ---------------------------------------------------------

    def take_in(
        self, connection: Account, slot: Slot, now: float, dirt: str | None = None
    ) -> str | None:
        """Keep a connection that nobody holds, or say why it must be closed."""
        self.lent.discard(slot.key)
        reason = dirt or self._excess(connection, slot, now)
        if reason is not None:
            slot.state = SlotState.CLOSING
            return reason
        self.shelve(connection, slot, now)
        self.serve(now)
        return None

    def _excess(self, connection: Account, slot: Slot, now: float) -> str | None:
        """Say why a clean connection is not kept; None when it is."""
        if self.is_lost(slot):
            return "lost"
        if self.is_closed:
            return "pool_closed"
        if connection.generation != self.generation:
            return "drained"
        if now >= slot.expires_at:
            return "expired"
        is_wanted = self.queue and not self.is_paused
        is_unwanted = not is_wanted and self.life.are_enough(len(self.idle))
        if is_unwanted or len(self._slots) > self.max_connections:
            return "surplus"
        return None

    def is_lost(self, slot: Slot) -> bool:
        """Tell of a slot that was collected as garbage, and brought back by a finalizer."""
        return slot.key not in self._slots

    def take_to_ask(self) -> Any:
        """Take the idle connection that was used last, for a question of ours; nobody is served.

        None where there is none, or somebody waits for it. It counts as no request.
        """
        if self.queue or self.is_paused:
            return None
        try:
            connection = self.idle.pop()
        except IndexError:
            return None
        slot: Slot = connection.slot  # type: ignore[assignment]  # while it is idle, and ours
        slot.state = SlotState.CLOSING
        return connection

    # -- slots --------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Tell whether there are fewer connections than there may be."""
        return len(self._slots) < self.max_connections

    @property
    def dialling(self) -> int:
        """How many dials are under way."""
        return len(self._connecting)

    def may_connect(self, now: float) -> bool:
        """Tell whether one more dial may start."""
        return (
            self.has_room
            and not self.is_closed
            and not self.is_paused
            and len(self._connecting) < self.max_connecting
            and self.circuit.admits(now)
            # Without a connection of its own, waiting for one to come back is in vain.
            and (self.server_full.admits(now) or not self._slots)
        )

    def open_slot(self, now: float) -> Slot:
        """Take a free slot to dial in."""
        slot = Slot(next(self._keys), now, Tally())
        self._tallies[slot.key] = slot.tally
        self._slots[slot.key] = weakref.ref(slot, self.graveyard.append)
        self.connecting(slot)
        return slot

    def connecting(self, slot: Slot) -> None:
        """Note that a dial starts in this slot, new or held."""
        self._connecting.add(slot.key)
        self.circuit.begin(slot.key)

    def connected(self, slot: Slot, now: float) -> None:
        """Note that the dial in this slot ended well; it is held by whoever dialled."""
        if slot.state is SlotState.CONNECTING:  # else its holder has had it for longer
            self.lent.add(slot.key)
            slot.taken_at = now
            slot.state = HELD
        slot.expires_at = self.life.expiry(now)
        self.circuit.succeeded()
        self.server_full.forget()
        self.not_connecting(slot.key)

    def failed(self, slot: Slot, verdict: Verdict, error: BaseException, now: float) -> None:
        """Note that the dial in this slot failed, and what that says about the server."""
        self.not_connecting(slot.key)
        self.counters.create_failures += 1
        if verdict in (Verdict.DOWN, Verdict.ANSWERED):
            self.server_full.forget()
        if verdict is Verdict.DOWN:
            self.circuit.failed(now, error)
        elif verdict is Verdict.ANSWERED:
            self.circuit.succeeded()
        elif verdict is Verdict.FULL:
            self.circuit.succeeded()  # it is there, and said so
            self.server_full.refused(now, error)
        if self.circuit.is_open:
            self.refuse_all(Refusal.UNAVAILABLE)
        self.serve(now)

    def not_connecting(self, key: int) -> None:
        """Note that the dial in slot `key` is over, however it ended."""
        self._connecting.discard(key)
        self.circuit.let_go(key)

    def close_slot(self, slot: Slot) -> None:
        """Free a slot; call `serve` after."""
        self._forget(slot.key)

    def _forget(self, key: int) -> None:
        self.not_connecting(key)
        self.lent.discard(key)
        tally = self._tallies.pop(key, None)
        if tally is not None:
            self.counters.add_tally(tally)
        self._slots.pop(key, None)  # last: until then, `bury` would find it
        self.watch_bounds()

    def watch_bounds(self) -> None:
        """Note whether a connection that comes back may be one too many, or is to be told of."""
        is_over = len(self._slots) > self.max_connections
        self.takes_with_care = is_over or self.life.max_idle is not None or bool(observers)

    def heed(self, *, looks_for_leaks: bool) -> None:
        """Note for whom, or what, connections go the careful ways."""
        self.lends_with_care = looks_for_leaks or bool(observers)
        self.watch_bounds()

    def give_up(self, slot: Slot) -> None:
        """Free the slot of a caller who goes back into the queue."""
        if slot.state is SlotState.HELD:  # an idle connection, counted as it was taken
            self.counters.add_discard("stale")
            self.counters.acquired -= 1
        self.close_slot(slot)

    def bury(self) -> int:
        """Free the slots that were dropped, and return how many; call `serve` after.

        The notes go last: if an exception strikes in between, the next call does it all
        again. What dies meanwhile leaves a note of its own.
        """
        notes, buried = len(self.graveyard), 0
        for key, ref in list(self._slots.items()):
            if ref() is None:
                self.counters.add_discard("lost")
                self._forget(key)
                buried += 1
        for _ in range(notes):
            self.graveyard.popleft()
        return buried

    # -- looking ------------------------------------------------------------------------

    def slots(self) -> list[Slot]:
        """Return the slots that are alive."""
        return [slot for ref in list(self._slots.values()) if (slot := ref()) is not None]

    def stats(self) -> PoolStats:
        """Return a snapshot: sizes of one moment, and counters."""
        queued = self.queue.begun - len(self.queue)
        return snapshot(self.counters, self._tallies.values(), queued=queued, **_sizes(self))

    def glance(self, now: float) -> PoolStats:
        """Return what `stats` does, at less cost: its totals may be a few milliseconds old."""
        return self.refusing.glance(self, _sizes(self), now)

    def refuse(self, now: float) -> Look:
        """Do that for one who is refused; also say in how many seconds there is room for it."""
        return self.refusing.refuse(self, _sizes(self), now)


def _sizes(ledger: Ledger) -> dict[str, Any]:
    """Return what of a snapshot is quickly told."""
    idle, connecting = len(ledger.idle), len(ledger._connecting)
    return {
        "alias": ledger.alias,
        "max_connections": ledger.max_connections,
        "in_use": len(ledger._slots) - idle - connecting,
        "idle": idle,
        "connecting": connecting,
        "waiting": len(ledger.queue),
        "generation": ledger.generation,
        "circuit": ledger.circuit.state,
        "is_closed": ledger.is_closed,
        "is_paused": ledger.is_paused,
    }
