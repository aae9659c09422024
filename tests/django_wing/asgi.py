"""What an ASGI server does, and what a test on an event loop needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from redis import Redis

from redis_pool_ext import get_async_pool

from .waits import PATIENCE, TIMEOUT

Message = dict[str, Any]

OURS = "redis_pool_ext.django.middleware.RedisPoolMiddleware"
SYNC_ONLY = "tests.django_wing.project.middleware.uses_redis"
ASYNC_ONLY = "tests.django_wing.project.middleware.uses_aredis"

# Over a middleware that cannot do async, ours runs in a thread, and so does the lease's end.
MODES = pytest.mark.parametrize("inside", [[], [SYNC_ONLY]], ids=["async", "sync"])

# Django's handler leaves the request's body open when what it serves raises.
LEFT_OPEN = pytest.mark.filterwarnings("ignore:Unclosed file <tempfile:ResourceWarning")


async def serve(path: str, gone: asyncio.Event, **kwargs: Any) -> list[Message]:
    """Serve one request as an ASGI server does; `gone` is the client's disconnect."""
    sent: list[Message] = []
    await serve_into(sent, path, gone, **kwargs)
    return sent


async def serve_into(
    sent: list[Message],
    path: str,
    gone: asyncio.Event,
    on_body: Callable[[], None] | None = None,
    is_stuck: bool = False,
) -> None:
    """Do the same; what was sent is there also when the application raises.

    `is_stuck`: the client takes the first chunk, and reads no more.
    """
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    incoming = iter([{"type": "http.request"}])

    async def receive() -> Message:
        for message in incoming:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        if on_body is not None and message["type"] == "http.response.body":
            on_body()
        if is_stuck and message["type"] == "http.response.body":
            await asyncio.Event().wait()

    handler: Callable[..., Awaitable[None]] = ASGIHandler()
    await asyncio.wait_for(handler(scope, receive, send), 20)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until a condition comes about."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


@asynccontextmanager
async def all_held() -> AsyncIterator[AsyncExitStack]:
    """Hold both connections of the running loop's pool, and let others wait for `TIMEOUT` only.

    Closing the stack frees them.
    """
    pool = get_async_pool()
    async with AsyncExitStack() as stack:
        for _ in range(2):
            client = await stack.enter_async_context(pool.lease())
            await client.ping()
        pool.timeout = TIMEOUT
        try:
            yield stack
        finally:
            pool.timeout = PATIENCE


def is_blocked(admin: Redis) -> bool:
    return any(one["cmd"] == "blpop" for one in admin.client_list())


def assert_all_is_back(acquired: int) -> None:
    """So many connections were taken from the running loop's pool, and none is out."""
    stats = get_async_pool().stats()
    assert (stats.acquired, stats.in_use, stats.waiting) == (acquired, 0, 0)
    assert stats.double_releases == 0
