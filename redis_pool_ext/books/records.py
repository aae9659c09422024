"""The records in the pool's books: a slot, a waiter, a refusal."""

from __future__ import annotations

import math
import threading
import weakref
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from ..deadline import Deadline
from ..priority import Priority
from ..stats import Tally

if TYPE_CHECKING:
    from ..wire.account import Account

__all__ = ["HELD", "IDLE", "Refusal", "Slot", "SlotState", "Waiter"]


class SlotState(Enum):
    """Where a slot's connection is."""

    CONNECTING = "connecting"
    IDLE = "idle"
    HELD = "held"
    CLOSING = "closing"


# Looking these up in their class takes as long as half a step below.
IDLE, HELD = SlotState.IDLE, SlotState.HELD


class Slot:
    """One of the pool's `max_connections` places; its connection holds it, or its dialler.

    Moments (monotonic, seconds): `taken_at` when it was last lent, or its dial began,
    `idle_since` when it last came back, `fresh_until` when it is in need of a look before it
    is lent, `expires_at` when it is too old, `late_since` the `taken_at` of a holder who was
    reported for keeping it. `holder` is who has it, `site` where it was taken (if leaks are
    looked for), `tally` its part of the pool's counters.
    """

    __slots__ = (
        "__weakref__",
        "connection",
        "expires_at",
        "fresh_until",
        "holder",
        "idle_since",
        "key",
        "late_since",
        "site",
        "state",
        "taken_at",
        "tally",
    )

    def __init__(self, key: int, now: float, tally: Tally) -> None:
        self.key: int = key
        self.tally: Tally = tally
        self.state: SlotState = SlotState.CONNECTING
        self.taken_at: float = now
        self.idle_since: float = now
        self.expires_at: float = math.inf
        self.fresh_until: float = 0.0
        self.holder: object = None
        self.site: str | None = None
        self.late_since: float | None = None
        # Weak: the connection holds its slot, and a cycle would not die at once.
        self.connection: weakref.ref[Account] | None = None

    @property
    def idle_for(self) -> float:
        """The seconds that it had been idle when it was last taken."""
        return self.taken_at - self.idle_since


class Refusal(Enum):
    """Why a caller gets no connection; named as the counter that counts it."""

    TIMED_OUT = "timed_out"
    QUEUE_FULL = "queue_full"
    SHED = "shed"
    UNAVAILABLE = "unavailable"
    CLOSED = "closed"


class Wake(Protocol):
    """What a waiter sleeps on: locked until somebody releases it."""

    def acquire(self, blocking: bool = True, timeout: float = -1, /) -> Any:
        """Lock it again; or, what the pool of threads does, sleep until it is released."""

    def release(self) -> None:
        """Wake the waiter."""

    def locked(self) -> bool:
        """Tell whether the waiter has still to be woken."""
        ...


class Waiter(Deadline):
    """A caller who asks for a connection, and is in the queue `since` a moment.

    `ticket` is its number there. 0, until it queues: it came when there was no queue, and had
    an idle connection.

    It gets a `gift` (a connection of the kind that it waits for, or a fresh slot to dial in)
    or a `refusal`, written before `wake` is released. `wake` is a plain lock, the cheapest
    thing a thread can sleep on, or what is one to the books.
    """

    __slots__ = (
        "began", "end", "gift", "has_waited", "priority", "refusal", "since", "ticket", "waited",
        "wake",
    )  # fmt: skip

    def __init__(
        self,
        seconds: float,
        priority: Priority = Priority.NORMAL,
        until: Deadline | None = None,
        wake: Wake | None = None,
    ) -> None:
        """Of one who waits for `seconds` from now; or as long as the deadline `until` says."""
        self.began: float = monotonic()
        self.seconds: float = seconds if until is None else until.seconds
        self.at: float = self.began + seconds if until is None else until.at
        self.priority: Priority = priority if type(priority) is Priority else Priority.of(priority)
        self.since: float = 0.0
        self.has_waited: bool = False
        self.ticket: int | None = None
        self.waited: float = 0.0  # seconds
        self.gift: Any = None
        self.refusal: Refusal | None = None
        self.end: str | None = None  # as it was counted, for one that gets nothing
        if wake is None:
            wake = threading.Lock()  # looked up here: gevent may have patched it by now
            wake.acquire()
        self.wake: Wake = wake

    def comes_after(self, other: Waiter) -> bool:
        """Tell whether `other`, who is in the queue, was there before."""
        return (other.ticket or 0) < (self.ticket or 0)
