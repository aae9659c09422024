"""How a request for a connection ended: told to observers, and to the log if it took long."""

from __future__ import annotations

import logging
from time import monotonic

from ..books.records import Waiter
from ..errors import PoolClosedError, PoolExhaustedError, PoolUnavailableError
from ..observing import observers, tell
from .returning import Returning

__all__ = ["LONG_WAIT", "Telling", "end_of"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

# Seconds. Who looks at one slow request wants to find this wait in its log.
LONG_WAIT = 0.1


class Telling(Returning):
    """The part of the pool that says how long somebody has waited for a connection."""

    def _got_it(self, waiter: Waiter | None, began: float) -> None:
        """Tell of one who has a connection; without a `waiter`, of one that was idle."""
        if waiter is None and not observers:
            return
        took = monotonic() - began
        if took <= LONG_WAIT and not observers:
            return
        waited = self._note_wait(waiter, took, "and has one")
        if observers:
            tell(lambda each: each.obtained(self, waited, took))

    def _got_nothing(self, waiter: Waiter | None, began: float, error: BaseException) -> None:
        """Tell of one who has none; `error` is what they are about to be told."""
        if self._lock._is_owned():  # type: ignore[attr-defined]
            return  # a signal handler, whose request was not counted either
        took = monotonic() - began
        end = (waiter.end if waiter is not None else None) or end_of(error)
        waited = self._note_wait(waiter, took, f"in vain ({end})")
        if observers:
            tell(lambda each: each.refused(self, waited, took, end))

    def _note_wait(self, waiter: Waiter | None, took: float, outcome: str) -> float:
        """Log a long wait; return how much of it was in the queue."""
        waited = 0.0 if waiter is None else waiter.waited
        if took > LONG_WAIT and logger.isEnabledFor(logging.INFO):
            self._log_wait(waited, took, outcome)
        return waited

    def _log_wait(self, waited: float, took: float, outcome: str) -> None:
        """Say it once in a while: on a full pool there are hundreds."""
        ledger = self._ledger
        with self._lock:
            now = monotonic()
            before = self._long_waits.is_due(now)
            if before is None:
                return
            stats = ledger.glance(now)
        logger.info(
            "%s: somebody waited %.3f s for a connection, %s; %.3f s of it in the queue (%s), "
            "%d more long waits since the last report",
            self.alias,
            took,
            outcome,
            waited,
            stats.summary(),
            before,
        )


def end_of(error: BaseException) -> str:
    """Name the counter for a request that ended with `error` as it had its turn."""
    if isinstance(error, PoolUnavailableError):
        return "unavailable"
    if isinstance(error, PoolExhaustedError):
        return "timed_out"
    if isinstance(error, PoolClosedError):
        return "closed"
    return "failed" if isinstance(error, Exception) else "cancelled"
