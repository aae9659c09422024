"""An asynchronous body keeps its lease to its end, however it ends."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from redis_pool_ext import RedisPool, get_async_pool
from redis_pool_ext.scope import current_scope

from .asgi import (
    LEFT_OPEN,
    MODES,
    OURS,
    Message,
    assert_all_is_back,
    serve,
    until,
)
from .project import middleware
from .project.views import Stage


@MODES
@pytest.mark.parametrize("name", ["stream", "stream_begun"])
def test_body_uses_the_lease_of_its_request(settings: Any, name: str, inside: list[str]) -> None:
    """request.aredis and get_async_redis() in the body, its tasks too, are one connection."""
    settings.MIDDLEWARE = [OURS, *inside]

    async def main() -> bytes:
        response = await AsyncClient().get(f"/aredis/{name}/")
        body = b"".join([chunk async for chunk in response])
        assert_all_is_back(acquired=1)
        return body

    first, *others = asyncio.run(main()).split()
    assert others == [first, first]


def test_body_keeps_its_lease_until_it_is_closed() -> None:
    """The connection that the view took is held while chunks are made, then comes back."""

    async def main() -> None:
        response = await AsyncClient().get("/aredis/stream_begun/")
        assert get_async_pool().stats().in_use == 1
        body = aiter(response)
        await anext(body)
        assert get_async_pool().stats().in_use == 1
        assert current_scope() is None
        await body.aclose()
        await sync_to_async(response.close)()
        await until(lambda: not get_async_pool().stats().in_use)

    asyncio.run(main())


def test_body_never_read_gives_its_lease_back() -> None:
    """Closed from a thread, as Django closes responses, it hands the end over to its loop."""

    async def main() -> None:
        response = await AsyncClient().get("/aredis/stream_begun/")
        await sync_to_async(response.close)()
        await until(lambda: not get_async_pool().stats().in_use)
        assert_all_is_back(acquired=1)

    asyncio.run(main())


def test_streaming_request_with_two_leases_gives_both_back(pool: RedisPool) -> None:
    """The body's end is the end of the threads' lease as well."""

    async def main() -> None:
        response = await AsyncClient().get("/aredis/stream_both/")
        assert pool.stats().in_use == 1
        assert len([chunk async for chunk in response]) == 3
        assert_all_is_back(acquired=1)

    asyncio.run(main())
    assert (pool.stats().acquired, pool.stats().in_use) == (1, 0)


@pytest.mark.parametrize("name", ["stream", "stream_begun", "hits", "file", "from_sync"])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous")
def test_asgi_server_leaves_nothing_taken(name: str) -> None:
    """Served by Django's own handler, bodies, files and sync views give everything back."""

    async def main() -> None:
        messages = await serve(f"/aredis/{name}/", asyncio.Event())
        assert messages[0]["status"] == 200
        await until(lambda: not get_async_pool().stats().in_use)
        assert_all_is_back(acquired=1)

    asyncio.run(main())


# What the garbage collector closes it may mention: the response was indeed forgotten.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_response_dropped_by_another_middleware_is_collected(settings: Any) -> None:
    """A body that nobody reads or closes loses no connection for good."""
    settings.MIDDLEWARE = ["tests.django_wing.project.middleware.areplaces", OURS]

    async def main() -> None:
        response = await AsyncClient().get("/aredis/stream_begun/")
        assert response.content == b"replaced"
        middleware.dropped.clear()
        del response
        gc.collect()
        await until(lambda: not get_async_pool().stats().in_use)

    asyncio.run(main())


@pytest.mark.parametrize(("name", "idle"), [("stream_endless", 1), ("stream_blocks", 0)])
def test_client_gone_in_the_body_ends_the_lease(name: str, idle: int) -> None:
    """A body that would go on for ever ends with its client, in a command or between two."""

    async def main() -> list[Message]:
        gone = asyncio.Event()
        messages = await serve(f"/aredis/{name}/", gone, on_body=gone.set)
        assert get_async_pool().stats().idle == idle
        assert_all_is_back(acquired=1)
        return messages

    messages = asyncio.run(main())
    assert [message["type"] for message in messages] == [
        "http.response.start",
        "http.response.body",
    ]


def test_client_gone_from_a_subscription_ends_both_connections() -> None:
    """A body that listens has a connection of its own for that, which comes back as well."""

    async def main() -> None:
        gone = asyncio.Event()
        messages = await serve("/aredis/events/", gone, on_body=gone.set)
        assert messages[1]["body"] == b"subscribe"
        assert get_async_pool().stats().idle == 0
        assert_all_is_back(acquired=1)

    asyncio.run(main())


@pytest.mark.parametrize("is_stuck", [False, True], ids=["in the body", "in sending"])
def test_body_may_use_the_lease_as_it_is_cut_off(pool: RedisPool, is_stuck: bool) -> None:
    """What stands in its `finally` runs in the request's scope, wherever it was interrupted."""

    async def main() -> None:
        gone = asyncio.Event()
        messages = await serve("/aredis/says_good_bye/", gone, on_body=gone.set, is_stuck=is_stuck)
        assert Stage.seen == [int(messages[1]["body"])] * 2
        assert_all_is_back(acquired=1)

    asyncio.run(main())
    assert (pool.stats().acquired, pool.stats().in_use) == (1, 0)


@LEFT_OPEN
def test_body_that_raises_ends_the_lease() -> None:
    """The server is told, and the connection is back."""

    async def main() -> None:
        with pytest.raises(ValueError, match="a mistake in the body"):
            await serve("/aredis/stream_raises/", asyncio.Event())
        assert_all_is_back(acquired=1)

    asyncio.run(main())
    gc.collect()
