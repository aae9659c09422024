# mypy: disable-error-code="no-untyped-call"
"""The clients of a view that can do without Redis, for a cluster."""

from __future__ import annotations

from typing import Any

from ..leasing.fallback import Command, Degrading
from .client import LeasedCluster
from .lease import ClusterLease
from .pipeline import LeasedClusterPipeline

__all__ = ["DegradingCluster", "DegradingClusterPipeline"]


class DegradingClusterPipeline(Degrading, LeasedClusterPipeline):
    """A pipeline of nothing but reads gets a default for each of them."""

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Execute the queued commands."""
        strategy: Any = self._execution_strategy
        queued = list(strategy.command_queue)
        commands = [command.args for command in queued]
        is_watching = getattr(strategy, "_watching", False)
        attempt = self._trying(commands, is_watching=is_watching)
        if attempt.is_due:
            with attempt:
                return super().execute(raise_on_error)
        self.reset()
        return [self._instead(command.args, command.options) for command in queued]


class DegradingCluster(Degrading, LeasedCluster):
    """A client for threads, for all nodes."""

    def _internal_execute_command(self, *args: Any, **options: Any) -> Any:
        return self._or_default(super()._internal_execute_command, args, options)

    def _instead(self, args: Command, options: dict[str, Any]) -> Any:
        value = super()._instead(args, options)
        # SCAN goes to all nodes, and has a cursor for each of them.
        return ({}, []) if str(args[0]).upper() == "SCAN" else value

    def mget_nonatomic(self, keys: Any, *args: Any) -> Any:
        """Return the values of keys of several slots, or the default instead of all."""
        with self._trying([("MGET",)]):
            # Not by a pipeline of ours, of whose replies redis-py makes one.
            return self.connection_pool.client().mget_nonatomic(keys, *args)
        return self._instead(("MGET",), {})

    def _pipeline_on(
        self, lease: ClusterLease, transaction: bool | None, *, is_its_own: bool
    ) -> DegradingClusterPipeline:
        pipeline = DegradingClusterPipeline(lease, self, transaction, owns_lease=is_its_own)
        pipeline.degradation = self.degradation
        return pipeline
