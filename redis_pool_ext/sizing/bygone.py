"""What pools have counted that are gone, so that the sum of all pools never steps back.

Event loops come and go with their pools, a new configuration replaces them; but a counter that
somebody scrapes must not fall. So when the books of a pool die, their numbers stay: by alias,
one sum each. Nothing is kept before somebody asks for it (`keep`).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..stats import PoolStats, snapshot
from .summing import in_all

if TYPE_CHECKING:
    from ..books.ledger import Ledger

__all__ = ["gone_books", "keep", "remember"]

_is_kept = False


class _Trace(weakref.ref["Ledger"]):
    """A reference to books, and what of them stays."""

    __slots__ = ("alias", "counters", "tallies")

    def __init__(  # pyright: ignore[reportInconsistentConstructor]  # that of C takes a third
        self, ledger: Ledger, callback: Callable[[_Trace], object]
    ) -> None:
        super().__init__(ledger, callback)  # type: ignore[call-arg]
        self.alias, self.counters, self.tallies = ledger.alias, ledger.counters, ledger._tallies

    def last_words(self) -> PoolStats:
        sizes = dict.fromkeys(
            ("max_connections", "in_use", "idle", "connecting", "waiting", "generation"), 0
        )
        return snapshot(
            self.counters,
            list(self.tallies.values()),
            alias=self.alias,
            circuit="closed",
            is_closed=True,
            is_paused=False,
            **sizes,
        )


class _Bygone:
    """One process's; a child of a fork begins with nothing."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._traces: dict[int, _Trace] = {}  # by the id of the books, while they live
        # Books die anywhere, also in a thread that is adding up: so a note, and no lock.
        self._dead: deque[_Trace] = deque()
        self._lock = threading.Lock()  # who adds up
        self._sums: dict[str, list[PoolStats]] = {}

    def remember(self, ledger: Ledger) -> None:
        if id(ledger) not in self._traces:
            self._traces[id(ledger)] = _Trace(ledger, self._bury(id(ledger)))

    def _bury(self, key: int) -> Callable[[_Trace], object]:
        def bury(trace: _Trace) -> None:
            self._traces.pop(key, None)
            self._dead.append(trace)
            if self._lock.acquire(False):
                try:
                    self._add_up()
                finally:
                    self._lock.release()

        return bury

    def _add_up(self) -> None:
        while self._dead:
            trace = self._dead.popleft()
            sums = self._sums.setdefault(trace.alias, [])
            sums.append(trace.last_words())
            if len(sums) > 1:
                sums[:] = [in_all(trace.alias, (), sums)]

    def sums(self) -> dict[str, list[PoolStats]]:
        with self._lock:
            self._add_up()
            return {alias: list(sums) for alias, sums in self._sums.items()}


_bygone = _Bygone()


def _current() -> _Bygone:
    global _bygone  # noqa: PLW0603
    if _bygone.pid != os.getpid():
        _bygone = _Bygone()
    return _bygone


def keep() -> None:
    """Keep them from now on; whoever has pools then lets `remember` know their books."""
    global _is_kept  # noqa: PLW0603
    _is_kept = True


def remember(ledger: Ledger) -> None:
    """Keep the numbers of these books beyond their end, if that is wanted."""
    if _is_kept:
        _current().remember(ledger)


def gone_books() -> dict[str, list[PoolStats]]:
    """Return what was counted in books that are gone, by alias."""
    return _current().sums()
