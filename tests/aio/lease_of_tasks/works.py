"""What the tests of a task's lease do with its client."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

Client = redis.asyncio.Redis

NEVER_AGAIN = Retry(NoBackoff(), 0)


async def ping(client: Client) -> None:
    assert await client.ping()


async def identify(client: Client) -> int:
    assert client.connection_pool.pool.stats().in_use == 0
    number = await client.client_id()
    assert client.connection_pool.pool.stats().in_use == 1
    return number


async def work_with(client: Any, use: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    return await use(client)
