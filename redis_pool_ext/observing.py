"""Observers: who wants to be told what happens in the pools of this process.

While there is none, nobody pays: the ways that every request takes ask nothing. With the
first one every pool goes the careful ways (`Ledger.lends_with_care`, `takes_with_care`), on
which each event is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from .stats import PoolStats

__all__ = [
    "Observed",
    "Observer",
    "add_observer",
    "observers",
    "on_change",
    "remove_observer",
    "reported",
    "tell",
]

logger: logging.Logger = logging.getLogger("redis_pool_ext")


class Observed(Protocol):
    """What an observer is shown of a pool."""

    alias: str

    def stats(self) -> PoolStats:
        """Return a snapshot."""
        ...


class Observer:
    """Is told of every pool's events; all times in seconds. Its methods do nothing here.

    They are called by the thread or task that the event is about, after the pool's lock was
    released. So they should be quick, and wait for nothing. `returned` and `closed` come from
    finalizers, too, which run anywhere, also while this very thread has a lock of the observer's:
    there, append to a deque at most. What an observer raises is logged, once for each observer.
    """

    def obtained(self, pool: Observed, waited: float, took: float) -> None:
        """Somebody has a connection, after `waited` in the queue; `took` is that and the dial."""

    def refused(self, pool: Observed, waited: float, took: float, reason: str) -> None:
        """Somebody has none; `reason` is the counter of `PoolStats` that counts it."""

    def returned(self, pool: Observed, held: float) -> None:
        """A connection came back."""

    def made(self, pool: Observed, took: float) -> None:
        """A connection was dialled."""

    def not_made(self, pool: Observed) -> None:
        """A dial failed."""

    def closed(self, pool: Observed, reason: str) -> None:
        """A connection was closed; `reason` is as in `PoolStats.discarded`."""


observers: list[Observer] = []

# Whether an observer reports the numbers of connections under OpenTelemetry's own names: then
# redis-py's recorder must not do so, too (7.2 and 7.3 ask every pool).
reported: list[bool] = [False]

_faulty: set[int] = set()  # of those whose error was logged
_listeners: list[Callable[[], None]] = []


def add_observer(observer: Observer) -> None:
    """Tell `observer` of all that happens from now on, in pools of before and after."""
    if observer not in observers:
        observers.append(observer)
        _change()


def remove_observer(observer: Observer) -> None:
    """Tell it nothing any more; one that is not there is no mistake."""
    if observer in observers:
        observers.remove(observer)
        _faulty.discard(id(observer))
        _change()


def on_change(listener: Callable[[], None]) -> Callable[[], None]:
    """Have `listener` called when there is one observer more, or less."""
    _listeners.append(listener)
    return listener


def _change() -> None:
    for listener in _listeners:
        listener()


def tell(event: Callable[[Observer], None]) -> None:
    """Let each observer know; not under a pool's lock."""
    for observer in tuple(observers):
        try:
            event(observer)
        except Exception:
            if id(observer) not in _faulty:
                _faulty.add(id(observer))
                logger.exception(
                    "%s failed as it was told of a pool's event; its next failures are not logged",
                    type(observer).__name__,
                )
