# mypy: disable-error-code="no-untyped-call"
"""The clients of a view that can do without Redis, for tasks."""

from __future__ import annotations

from typing import Any

from ..leasing.fallback import Degrading
from .client import LeasedAsyncPipeline, LeasedAsyncRedis

__all__ = ["DegradingAsyncPipeline", "DegradingAsyncRedis"]


class DegradingAsyncPipeline(Degrading, LeasedAsyncPipeline):  # type: ignore[misc]  # redis-py's own bases
    """A pipeline of nothing but reads gets a default for each of them."""

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Execute the queued commands."""
        queued: list[Any] = list(self.command_stack)
        commands = [args for args, _ in queued]
        attempt = self._trying(commands, is_watching=self.watching)
        if attempt.is_due:
            with attempt:
                return await super().execute(raise_on_error)
        await self.reset()  # redis-py leaves the commands where it got no connection
        return [self._instead(args, options) for args, options in queued]


class DegradingAsyncRedis(Degrading, LeasedAsyncRedis):  # type: ignore[misc]  # as above
    """A client for tasks."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command and return its reply, or the default."""
        attempt = self._trying([args])
        if attempt.is_due:
            with attempt:
                return await super().execute_command(*args, **options)
        return self._instead(args, options)

    def pipeline(
        self, transaction: bool = True, shard_hint: str | None = None
    ) -> LeasedAsyncPipeline:
        """Return a pipeline that runs on the leased connection."""
        pipeline = DegradingAsyncPipeline(
            self.connection_pool,
            self.response_callbacks,
            transaction,
            shard_hint,
        )
        pipeline.degradation = self.degradation
        return pipeline
