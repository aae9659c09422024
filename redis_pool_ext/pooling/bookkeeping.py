"""The pool's books under their lock: opened, read, and a slot freed, a generation ended.

Nothing here waits, so both pools have it: that of threads, and that of an event loop.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any

from ..books.circuit import BACKOFF_CAP
from ..books.ledger import Ledger
from ..books.life import Life
from ..books.records import Refusal, Slot
from ..books.report import NOBODY, Reported
from ..books.terms import Terms
from ..forks import getpid
from ..observing import observers, tell
from ..stats import PoolStats
from ..wire.account import READ_ONLY, Account

__all__ = ["Books"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

# Reasons to close a connection that are nobody's mistake; any other one is logged.
_QUIET = frozenset({
    "closed", "drained", "error", "expired", "idle", "lost", "pool_closed", READ_ONLY, "stale",
    "surplus",
})  # fmt: skip

_NewBooks = tuple["threading.RLock", Ledger, int]  # lock, ledger, and whose they are


class Books:
    """The part of the pool that keeps the books."""

    alias: str
    connection_class: type[Any]
    timeout: float
    max_connections: int
    max_connecting: int
    terms: Terms
    life: Life
    leak_detection_threshold: float | None
    # Protects the ledger (slots, queue, counters, circuit) wherever more than one step is
    # taken. Held for a few byte codes only: no I/O, logging, callback or socket close under
    # it. Re-entrant, for `_is_owned()`: a finalizer or signal handler may enter the pool
    # while its own thread is under the lock.
    _lock: threading.RLock
    _ledger: Ledger
    _pid: int

    def __init__(self) -> None:
        # How a connection knows its pool. Weak, or pool and idle list kept each other.
        self._ref: Callable[[], Any] = weakref.ref(self)
        self._long_waits = Reported()

    def _new_books(self, *, closed: bool, paused: bool = False) -> _NewBooks:
        """Return books with nothing in them: at birth, and in the child after a fork."""
        # Of a class whose server is soon to be found elsewhere, it is shorter.
        longest = getattr(self.connection_class, "longest_backoff", BACKOFF_CAP)
        ledger = Ledger(
            alias=self.alias,
            max_connections=self.max_connections,
            max_connecting=self.max_connecting,
            terms=self.terms,
            life=self.life,
            longest_backoff=longest,
        )
        ledger.is_closed = closed
        if paused:
            ledger.pause()
        return threading.RLock(), ledger, os.getpid()

    def heed_observers(self) -> None:
        """Go the careful ways if somebody observes, and the quick ones if nobody does."""
        looks_for_leaks = self.leak_detection_threshold is not None
        with self._lock:
            self._ledger.heed(looks_for_leaks=looks_for_leaks)

    def _notice_fork(self) -> None:
        """Start anew if this is a child whose fork ran no hooks: its lock may be locked."""
        getpid()

    def _count_end(self, end: str) -> None:
        with self._lock:
            self._ledger.counters.add_end(end)

    def stats(self) -> PoolStats:
        """Return a snapshot: sizes of one moment, counters, waits and holds."""
        self._notice_fork()
        self._settle()
        with self._lock:
            return self._ledger.stats()

    def _settle(self) -> None:
        """Act on what finalizers left behind; runs after each use of the lock."""
        raise NotImplementedError

    # -- closing -------------------------------------------------------------------------

    def _discard(self, connection: Account, reason: str) -> None:
        """Close a held connection instead of keeping it, then free its slot.

        In this order: the server never sees more than `max_connections`.
        """
        slot = connection.slot
        assert slot is not None
        if reason not in _QUIET:
            logger.warning(
                "%s: connection closed instead of reused: %s, by %s",
                self.alias,
                reason,
                slot.holder or NOBODY,
            )
        connection.retire()
        self._free(slot, reason if reason in _QUIET else "dirty")

    def _discard_each(self, take: Callable[[], tuple[Account, str] | None]) -> None:
        """Close idle connections, as long as the ledger's `take` finds one, for its reason."""
        while True:
            with self._lock:
                found = take()
            if found is None:
                return
            self._discard(*found)

    def _free(self, slot: Slot, reason: str | None = None, end: str | None = None) -> None:
        """Return a slot to the pool, and let the next waiter have it.

        `reason` says why its connection was closed, `end` how a request ended with it.
        """
        ledger = self._ledger
        with self._lock:
            now = monotonic()
            ledger.close_slot(slot)
            if end is not None:
                ledger.counters.add_end(end)
            if reason is not None:
                ledger.counters.add_discard(reason)
            if reason == "error":
                ledger.doubt(now)
            ledger.serve(now)
        self._settle()
        if reason is not None:
            self._tell_closed(reason)

    def _tell_closed(self, reason: str, count: int = 1) -> None:
        if observers:
            for _ in range(count):
                tell(lambda each: each.closed(self, reason))

    def _begin_generation(self, reason: str, *, close: bool = False) -> None:
        """Close every idle connection now, and those in use when they come back.

        With `close`, also the pool.
        """
        self._notice_fork()
        ledger = self._ledger
        with self._lock:
            ledger.is_closed = ledger.is_closed or close
            doomed = ledger.begin_generation(monotonic())
            if close:
                ledger.refuse_all(Refusal.CLOSED)
        while doomed:
            self._discard(doomed.pop(), reason)
        self._settle()
