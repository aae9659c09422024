"""How a budget is spent: what is on Redis is counted, and what it cuts short is told as that.

Nothing here waits, so connections and leases of threads and of tasks have it in common.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import AbstractBackoff
from redis.retry import Retry

from ..books import refusals
from ..budget import Budget
from ..errors import BudgetExceededError, ConnectionPoolTimeoutError, PoolUnavailableError

if TYPE_CHECKING:
    from types import TracebackType

    from ..books.refusing import Look

__all__ = [
    "LEAST",
    "SLACK",
    "RetryWithin",
    "Spending",
    "bounded",
    "exceeded",
    "kept_within",
    "unless_exceeded",
]

# Seconds. With less left than this nothing is begun: it would not come to its end.
LEAST = 0.001

# Seconds by which a wait may last longer than the budget does: to set a socket's timeout is a
# system call, and not to be made for each command.
SLACK = 0.01

# What a wait ends with that a budget has cut.
_CUT_SHORT = (redis.TimeoutError, ConnectionPoolTimeoutError, PoolUnavailableError)


class Spending:
    """`with Spending(budget, pool):` counts the time inside, of which some has to be left.

    Raises `BudgetExceededError` where none is, before anything is done; and in place of the
    error of a wait that lasted until the end of the budget, with that error as its cause.
    """

    __slots__ = ("_pool", "budget")

    def __init__(self, budget: Budget, pool: Any) -> None:
        self.budget: Budget = budget
        self._pool = pool

    def __enter__(self) -> None:
        self.budget.__enter__()

    def __exit__(
        self, _kind: object, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        is_spent = error is not None and self.budget.left() == 0.0
        self.budget.__exit__()
        if (
            is_spent
            and isinstance(error, _CUT_SHORT)
            and not isinstance(error, BudgetExceededError)
        ):
            raise self.exceeded() from error

    def require(self) -> float:
        """Return the seconds that are left; raises `BudgetExceededError` for none."""
        left = self.budget.left()
        if left < LEAST:
            raise self.exceeded()
        return left

    def exceeded(self) -> BudgetExceededError:
        """Return the error that says so."""
        return exceeded(self.budget, self._pool)


def exceeded(budget: Budget, pool: Any) -> BudgetExceededError:
    """Return the error of a budget that is spent; `pool` (None: unknown) is where."""
    look: Look | None = pool.turn_away() if pool is not None else None
    return refusals.over_budget(budget.seconds, look)


def bounded(own: float | None, left: float) -> float:
    """Return for how long to wait (None: for ever), if so much of a budget is left.

    Never 0, which to a socket means something else: what is there by now can still be read.
    """
    left = max(left, LEAST)
    return left if own is None or own > left else own


class _CutBackoff(AbstractBackoff):
    """The pauses of `own`; where the next one would outlast the budget, its end."""

    def __init__(self, own: Any, spending: Spending) -> None:
        self._own, self._spending = own, spending

    def reset(self) -> None:
        """Begin anew."""
        self._own.reset()

    def compute(self, failures: int) -> float:
        """Return the seconds of the pause; raises `BudgetExceededError` instead of a long one."""
        pause: float = self._own.compute(failures)
        if pause >= self._spending.budget.left():
            raise self._spending.exceeded() from sys.exception()
        return pause


class RetryWithin(Retry):
    """redis-py's retry policy, kept within a budget.

    All that it does is counted, no pause outlasts the budget, and nothing is repeated then.
    """

    def __init__(self, policy: Any, spending: Spending) -> None:
        super().__init__(policy._backoff, policy._retries, policy._supported_errors)
        self._spending = spending
        self.policy = policy
        self._kept = kept_within(policy, spending)

    def call_with_retry(self, do: Any, fail: Any, *args: Any, **options: Any) -> Any:
        """Call `do` until it succeeds, and `fail` after each failure."""
        with self._spending:
            return self._kept.call_with_retry(do, unless_exceeded(fail), *args, **options)


def kept_within(policy: Any, spending: Spending) -> Any:
    """Return a retry policy, of threads or of tasks, whose pauses do not outlast the budget."""
    kept = copy(policy)
    kept._backoff = _CutBackoff(policy._backoff, spending)
    return kept


def unless_exceeded(fail: Callable[..., Any]) -> Callable[..., Any]:
    """Return `fail`, which a retry policy calls between attempts; no more comes of a spent budget.

    Nor is anything wrong with the connection then, that it were to be closed for.
    """

    def fail_unless_exceeded(error: Exception, *count: int) -> Any:
        if not isinstance(error, BudgetExceededError):
            return fail(error, *count)
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame: that were a cycle

    return fail_unless_exceeded
