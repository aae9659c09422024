# mypy: disable-error-code="no-untyped-call"
"""redis-py's lock, for a borrower with a budget: to wait for a lock is time on Redis, too."""

from __future__ import annotations

from typing import Any

import redis.lock

from ..budget import Budget
from ..wire.spending import Spending

__all__ = ["Lock", "LockWait", "with_class"]

# The place of `lock_class` among the arguments of redis-py's `lock()`.
_BEFORE_CLASS = 5


def with_class(kind: type[Any], args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of `lock()`, with this class in them where there is no other one."""
    if len(args) > _BEFORE_CLASS or options.get("lock_class") is not None:
        return options
    return {**options, "lock_class": kind}


class LockWait:
    """How long to wait for a lock: as long as somebody wants, and as the budget lasts.

    redis-py sleeps between two attempts, and gives up when it would sleep for too long.
    """

    def __init__(self, budget: Budget, pool: Any, wanted: float | None) -> None:
        self.spending: Spending = Spending(budget, pool)
        self._wanted = wanted

    def cut(self) -> float:
        """Return the seconds; raises `BudgetExceededError` for none."""
        left = self.spending.require()
        self._is_cut = self._wanted is None or self._wanted > left
        return left if self._wanted is None or self._is_cut else self._wanted

    def end(self, has_it: bool) -> bool:
        """Return whether it was acquired; raises where it was not for want of budget."""
        if not has_it and self._is_cut:
            raise self.spending.exceeded()
        return has_it


class Lock(redis.lock.Lock):
    """A lock that nobody waits for any longer than its client's budget lasts."""

    def acquire(
        self,
        sleep: Any = None,
        blocking: bool | None = None,
        blocking_timeout: Any = None,
        token: Any = None,
    ) -> bool:
        """Acquire the lock as redis-py does; raises `BudgetExceededError`."""
        pool: Any = self.redis.connection_pool
        is_blocking = self.blocking if blocking is None else blocking
        if not is_blocking or getattr(pool, "budget", None) is None:
            return bool(super().acquire(sleep, blocking, blocking_timeout, token))
        wanted = self.blocking_timeout if blocking_timeout is None else blocking_timeout
        waiting = LockWait(pool.budget, pool.pool, wanted)
        with waiting.spending:
            return waiting.end(super().acquire(sleep, True, waiting.cut(), token))
