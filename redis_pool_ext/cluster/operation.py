"""One command's time: how long it may wait for connections, and for a new map of the cluster.

redis-py's engine borrows, follows redirections and asks for the map in many places, none of
which knows a deadline. They all run in the thread of the command, which notes here what it
has left; `NodePool` and `Topology` look it up.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from ..deadline import Deadline
from ..errors import PoolExhaustedError, PoolUnavailableError
from ..wire.spending import LEAST, Spending

if TYPE_CHECKING:
    from .lease import ClusterLease

__all__ = ["Allowance", "Operation", "current"]

_here = threading.local()


def current() -> Operation | None:
    """Return what this thread is in the middle of, if that is a cluster's."""
    return getattr(_here, "operation", None)


class Allowance:
    """Seconds that may be spent in several pieces; a deadline would run on in between.

    `whole` is what they were before some were spent, for who is told of their end.
    """

    __slots__ = ("left", "whole")

    def __init__(self, seconds: float, whole: float | None = None) -> None:
        self.left: float = seconds
        self.whole: float = seconds if whole is None else whole

    def deadline(self) -> Deadline:
        """Return the moment at which it is used up, if all from now on is spent."""
        deadline = Deadline(self.left)
        deadline.seconds = self.whole
        return deadline

    def spend_since(self, began: float) -> None:
        """Take off what has passed since the moment `began`."""
        self.left = max(0.0, self.left - (monotonic() - began))


class Operation:
    """One command, or one pipeline, on `lease` (None: somebody looks at the cluster).

    Entered again by what it does itself (a command of a pipeline that is redirected), it
    goes on with the time that it has left. With a budget, what it does is counted there; raises
    `BudgetExceededError` where nothing of that is left, or it ends in the middle.
    """

    def __init__(
        self,
        lease: ClusterLease | None,
        timeout: float,
        borrowing: float | None = None,
        spending: Spending | None = None,
    ) -> None:
        if spending is not None:  # of a budget: all of it is spent there
            timeout = min(timeout, spending.budget.left())
            borrowing = None if borrowing is None else min(borrowing, timeout)
        self.spending = spending
        self.lease = lease
        self.timeout = timeout
        self.began: float = monotonic()
        self.attempts = 0
        self.borrowing: Allowance = Allowance(timeout if borrowing is None else borrowing, timeout)
        self.refreshing: Allowance = Allowance(timeout)
        self.failed: str | None = None  # the node that could not be reached, last
        self.refusal: BaseException | None = None
        self.has_taken: bool = False
        self.has_new_default = False  # commands without a key go elsewhere from now on
        self._asking: Deadline | None = None
        self._outer: Operation | None = None
        self._depth = 0

    @classmethod
    def in_progress(cls, lease: ClusterLease | None) -> Operation | None:
        """Return what this thread is in the middle of, if that is on `lease` (None: any)."""
        operation = current()
        return operation if operation is not None and lease in (None, operation.lease) else None

    def __enter__(self) -> Self:
        if self._depth == 0:
            if self.spending is not None:
                self.spending.require()
                self.spending.__enter__()
            self._outer = current()
            _here.operation = self
        self._depth += 1
        return self

    def __exit__(self, *exc: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            _here.operation, self._outer = self._outer, None
            if self.lease is not None:
                self.lease.note_end_of(self)
            if self.spending is not None:
                self.spending.__exit__(*exc)

    @property
    def is_spent(self) -> bool:
        """Tell whether nothing of the budget is left."""
        return self.spending is not None and self.spending.budget.left() < LEAST

    @property
    def is_exhausted(self) -> bool:
        """Tell whether a pool was full: that says nothing about where the slots are."""
        return isinstance(self.refusal, PoolExhaustedError)

    def has_seconds(self, seconds: float = 0.0) -> bool:
        """Tell whether there is time for another attempt, after so long a pause."""
        return monotonic() - self.began + seconds < self.timeout

    def limit(self) -> Deadline:
        """Return until when to wait for a connection now."""
        return self._asking or self.borrowing.deadline()

    @contextmanager
    def borrow(self, node: str) -> Generator[Deadline, None, None]:
        """Wait for a connection to `node` until the deadline that this yields."""
        if self._asking is not None:
            yield self._asking
            return
        began = monotonic()
        try:
            yield self.limit()
            self.has_taken = True
        except (PoolExhaustedError, PoolUnavailableError) as error:
            self.refusal = error
            if isinstance(error, PoolUnavailableError):
                self.failed = node
            raise
        finally:
            self.borrowing.spend_since(began)

    @contextmanager
    def ask(self, deadline: Deadline) -> Generator[None, None, None]:
        """Borrow until `deadline`, whatever a command has left: for the map of the cluster."""
        before, self._asking = self._asking, deadline
        try:
            yield
        finally:
            self._asking = before

    def make_room(self) -> None:
        """Give back what this command does not need, before it waits for something else."""
        if self.lease is not None:
            self.lease.give_way()
