# mypy: disable-error-code="no-untyped-call"
"""redis-py's lock of tasks, for a borrower with a budget."""

from __future__ import annotations

from typing import Any

import redis.asyncio.lock

from ..leasing.locks import LockWait

__all__ = ["Lock"]


class Lock(redis.asyncio.lock.Lock):
    """A lock that nobody waits for any longer than its client's budget lasts."""

    async def acquire(
        self, blocking: bool | None = None, blocking_timeout: Any = None, token: Any = None
    ) -> bool:
        """Acquire the lock as redis-py does; raises `BudgetExceededError`."""
        client: Any = self.redis
        pool = client.connection_pool
        is_blocking = self.blocking if blocking is None else blocking
        if not is_blocking or getattr(pool, "budget", None) is None:
            return bool(await super().acquire(blocking, blocking_timeout, token))
        wanted = self.blocking_timeout if blocking_timeout is None else blocking_timeout
        waiting = LockWait(pool.budget, pool.pool, wanted)
        with waiting.spending:
            return waiting.end(await super().acquire(True, waiting.cut(), token))
