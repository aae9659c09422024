"""One request's (or task's) leases, by pool."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, overload

from .budget import Budget
from .errors import LeaseError
from .forks import getpid
from .priority import Priority

if TYPE_CHECKING:
    from .aio.client import LeasedAsyncRedis
    from .aio.pool import AsyncRedisPool
    from .client import LeasedRedis
    from .pool import RedisPool
    from .pooling.base import PoolBase

__all__ = [
    "Scope",
    "add_source",
    "current_scope",
    "enter_scope",
    "entered_scope",
    "lease_scope",
    "leave_scope",
]

_current: ContextVar[Scope | None] = ContextVar("redis_pool_ext_scope", default=None)

Source = Callable[[], "Scope | None"]


class Scope:
    """The leases of one request: one per pool, made when first asked for.

    `label` names the request in warnings and reports: a text, or an object that is asked
    for its `str()` when there is something to report. With `waits_once` a refusal uses up
    the wait of the whole scope, as a web request wants it. Nothing refers back from a lease to
    its scope, so a scope that is dropped frees its connections at once.
    """

    __slots__ = ("_clients", "_ended", "_label", "_pid", "_waits_once", "budget", "priority")

    def __init__(
        self,
        label: object = None,
        waits_once: bool = False,
        budget: Budget | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> None:
        self._waits_once = waits_once
        self.budget = budget
        self.priority: Priority = priority
        self._label = label
        self._clients: dict[PoolBase, Any] = {}
        self._ended = False
        self._pid = getpid()

    @overload
    def client(self, pool: RedisPool) -> LeasedRedis: ...

    @overload
    def client(self, pool: AsyncRedisPool) -> LeasedAsyncRedis: ...

    def client(self, pool: Any) -> Any:
        """Return this scope's client for `pool`, the same one each time.

        Raises `LeaseError` where it would have to be made in a child of a fork.
        """
        client = self._clients.get(pool)
        if client is None:
            if self.is_inherited:
                raise self._misuse(pool)
            client = self._of_a_closed_loop(pool)
            if client is None:
                client = pool.lease(
                    self._label,
                    waits_once=self._waits_once,
                    budget=self.budget,
                    priority=self.priority,
                ).client()
            # setdefault: of two threads that race here, both get the winner's client.
            client = self._clients.setdefault(pool, client)
            if self._ended:  # in between, by another thread
                self.end()
        return client

    def _of_a_closed_loop(self, pool: PoolBase) -> Any:
        """Return the client that this request had in an event loop before, if that is closed.

        Its lease goes on in the running loop at the next command; a second one beside it
        would be one connection too many.
        """
        for before in list(self._clients):
            if pool.follows(before):
                return self._clients.pop(before, None)
        return None

    def _misuse(self, pool: PoolBase) -> LeaseError:
        return LeaseError(
            f"this scope belongs to the process {self._pid}; after a fork, "
            "take a lease in the child",
            alias=pool.alias,
        )

    def begin_request(self, label: object, budget: Budget | None = None) -> None:
        """Be a request's from now on: under its name, with `waits_once`, on terms of its own."""
        self._label, self._waits_once = label, True
        for client in list(self._clients.values()):
            lease = client.connection_pool
            lease.holder, lease.waits_once = self._label, True
        self._set_terms(budget, Priority.NORMAL)

    @contextmanager
    def apart(self) -> Generator[None, None, None]:
        """Let what `limit` sets inside the block hold to its end."""
        budget, priority = self.budget, self.priority
        seconds = None if budget is None else budget.seconds
        try:
            yield
        finally:
            if budget is not None and seconds is not None:
                budget.seconds = seconds
            self._set_terms(budget, priority)

    def limit(self, *, budget: float | None = None, priority: Priority | str | None = None) -> None:
        """Set what its leases may spend on Redis together, and who they go before.

        From now on; seconds that are spent already count. None leaves either as it is.
        Raises `ConfigError`, and then changes nothing.
        """
        wanted = Budget.of(budget)
        rank = self.priority if priority is None else Priority.of(priority)
        if wanted is not None and self.budget is not None:
            self.budget.seconds = wanted.seconds
            wanted = self.budget
        self._set_terms(wanted or self.budget, rank)

    def _set_terms(self, budget: Budget | None, priority: Priority) -> None:
        self.budget, self.priority = budget, priority
        for client in list(self._clients.values()):
            lease = client.connection_pool
            lease.budget, lease.priority = budget, priority

    def held_seconds(self) -> float:
        """Return for how long its leases have had what they hold right now, in sum."""
        clients = list(self._clients.values())
        return sum((client.connection_pool.held_seconds() for client in clients), 0.0)

    @property
    def has_ended(self) -> bool:
        """Tell whether `end()` was called."""
        return self._ended

    @property
    def is_inherited(self) -> bool:
        """Tell whether this is a scope of the parent, in a child of a fork."""
        return self._pid != getpid()

    def end(self) -> None:
        """Give everything back; twice is fine. Every lease ends, also if one fails to."""
        self._ended = True
        while self._clients:
            _pool, client = self._clients.popitem()
            try:
                client.connection_pool.end()
            except BaseException:
                self.end()
                raise


def current_scope() -> Scope | None:
    """Return the scope of the running request or task, or None outside of one.

    A scope that has ended does not count: a task that outlives its request borrows per
    command. Nor does the parent's in a forked child: its leases would refuse.
    """
    scope = entered_scope()
    if scope is None:
        for source in _sources:
            scope = source()
            if scope is not None:
                break
    return scope


def entered_scope() -> Scope | None:
    """Return what `current_scope` does, but ask no source: make none."""
    scope = _current.get()
    if scope is None or scope._ended or scope._pid != getpid():
        return None
    return scope


def add_source(source: Source) -> None:
    """Let `source` be asked for a scope where none was entered; for wings.

    It returns a scope to use right here, made just now perhaps, or None.
    """
    if source not in _sources:
        _sources.append(source)


# Asked one after the other; a wing adds one that knows when a request is running.
_sources: list[Source] = []


def enter_scope(scope: Scope) -> Scope | None:
    """Make `scope` the current one; return the one before, for `leave_scope`."""
    before = _current.get()
    _current.set(scope)
    return before


def leave_scope(before: Scope | None) -> None:
    """Make `before` current again. Does not end the scope that is left."""
    # Not ContextVar.reset(): a token works in the context that made it only, and a web
    # request may end in another one.
    _current.set(before)


@contextmanager
def lease_scope(
    label: str | None = None,
    *,
    budget: Budget | float | None = None,
    priority: Priority | str = Priority.NORMAL,
) -> Generator[Scope, None, None]:
    """Hold one connection per pool for the length of the block, for tasks and commands.

    Inside, `get_redis(alias)` returns the leased client, and in coroutines
    `get_async_redis(alias)`: a plain `with` is for both. Nested in another scope (a
    request's, or another `lease_scope`) it joins that one, and ends nothing.

    `budget` and `priority` are those of `RedisPool.lease`, for all its leases together; in
    another scope they are that one's. Raises `ConfigError`.
    """
    terms = Budget.of(budget), Priority.of(priority)
    outer = current_scope()
    if outer is not None:
        yield outer
        return
    scope = Scope(label, budget=terms[0], priority=terms[1])
    before = enter_scope(scope)
    try:
        yield scope
    finally:
        leave_scope(before)
        scope.end()
