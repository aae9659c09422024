"""What every pool lends: a lease, of threads or of tasks, on one server or on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ..budget import Budget
from ..priority import Priority

__all__ = ["Lending"]

L = TypeVar("L")


class Lending(Generic[L]):
    """The part of a pool that makes leases, each of the pool's own kind."""

    _lease_class: Callable[..., L]

    def lease(
        self,
        holder: object = None,
        *,
        waits_once: bool = False,
        budget: Budget | float | None = None,
        priority: Priority | str = Priority.NORMAL,
    ) -> L:
        """Return a context manager over a client pinned to one connection, or to one per node.

        The connection is taken at the first command, and given back at the end of the `with`
        block, which for tasks is an `async with`. `holder` names the borrower in warnings and
        reports: a text, or an object whose `str()` is asked for when there is something to
        report. With `waits_once`, as in a web request, a lease that was refused does not wait
        a second `timeout`: what is left of the first is all it has.

        `budget`: the seconds that it may spend on Redis in all; then its commands raise
        `BudgetExceededError`. `priority`: "high", "normal" or "low"; who goes first when
        several wait. Raises `ConfigError` for another one of either.
        """
        return self._lease_class(
            self,
            holder,
            waits_once=waits_once,
            # Each request comes by here: what needs no reading is not read.
            budget=None if budget is None else Budget.of(budget),
            priority=priority if type(priority) is Priority else Priority.of(priority),
        )
