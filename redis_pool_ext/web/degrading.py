# mypy: disable-error-code="no-untyped-call"
"""The clients of a view that can do without Redis, on the same lease as all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..aio.client import LeasedAsyncRedis
from ..aio.degrading import DegradingAsyncRedis
from ..client import LeasedPipeline, LeasedRedis
from ..cluster.client import LeasedCluster
from ..cluster.degrading import DegradingCluster
from ..leasing.fallback import Degradation, Degrading, Fallback
from ..scope import Scope

__all__ = ["DegradingPipeline", "DegradingRedis", "DegradingScope", "FindDegrading"]


class DegradingPipeline(Degrading, LeasedPipeline):
    """A pipeline of nothing but reads gets a default for each of them."""

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Execute the queued commands."""
        queued: list[Any] = list(self.command_stack)
        commands = [args for args, _ in queued]
        attempt = self._trying(commands, is_watching=self.watching)
        if attempt.is_due:
            with attempt:
                return super().execute(raise_on_error)
        self.reset()  # redis-py leaves the commands where it got no connection
        return [self._instead(args, options) for args, options in queued]


class DegradingRedis(Degrading, LeasedRedis):
    """A client for threads."""

    def _execute_command(self, *args: Any, **options: Any) -> Any:
        return self._or_default(super()._execute_command, args, options)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> LeasedPipeline:
        """Return a pipeline that runs on the leased connection."""
        pipeline = DegradingPipeline(
            self.connection_pool,
            self.response_callbacks,
            transaction,
            shard_hint,
        )
        pipeline.degradation = self.degradation
        return pipeline


_KINDS: dict[type[Any], type[Any]] = {
    LeasedRedis: DegradingRedis,
    LeasedCluster: DegradingCluster,
    LeasedAsyncRedis: DegradingAsyncRedis,
}


def _on_lease_of(client: Any, degradation: Degradation) -> Any:
    """Return a client on the same lease as `client`, which stays as it is."""
    made: Any = object.__new__(_KINDS[type(client)])
    made.__dict__.update(client.__dict__)
    made.degradation = degradation
    return made


class DegradingScope:
    """A request's scope, to whoever takes a client of it: `LazyRedis`, say."""

    __slots__ = ("_degradation", "_scope")

    def __init__(self, scope: Scope, fallback: Fallback) -> None:
        self._scope = scope
        self._degradation = Degradation(fallback)  # one, for threads and tasks

    def client(self, pool: Any) -> Any:
        """Return a client on the scope's lease of `pool`."""
        return _on_lease_of(self._scope.client(pool), self._degradation)


class FindDegrading:
    """Finds a request's client at each use, for what is asked for it again and again.

    `find` returns the plain one: it is another one when the request goes on in a new scope.
    """

    def __init__(self, find: Callable[[], Any], fallback: Fallback) -> None:
        self._find = find
        self._degradation = Degradation(fallback)
        self._made: tuple[Any, Any] = (None, None)  # the plain one, and ours

    def __call__(self) -> Any:
        """Return the client to use right here; outside of every scope, the plain one."""
        plain = self._find()
        before, client = self._made
        if plain is not before:
            is_leased = type(plain) in _KINDS
            client = _on_lease_of(plain, self._degradation) if is_leased else plain
            self._made = plain, client
        return client
