"""A retry policy of tasks, kept within a budget."""

from __future__ import annotations

from typing import Any

from redis.asyncio.retry import Retry

from ..wire.spending import Spending, kept_within, unless_exceeded

__all__ = ["AsyncRetryWithin"]


class AsyncRetryWithin(Retry):
    """The twin of `RetryWithin`."""

    def __init__(self, policy: Any, spending: Spending) -> None:
        super().__init__(policy._backoff, policy._retries, policy._supported_errors)
        self._spending = spending
        self.policy = policy
        self._kept = kept_within(policy, spending)

    async def call_with_retry(self, do: Any, fail: Any, *args: Any, **options: Any) -> Any:
        """Call `do` until it succeeds, and `fail` after each failure."""
        with self._spending:
            return await self._kept.call_with_retry(do, unless_exceeded(fail), *args, **options)
