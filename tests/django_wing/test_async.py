"""Under ASGI: the same lease, on an event loop that never stands still."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.test import AsyncClient
from redis import Redis

from redis_pool_ext import RedisPool
from redis_pool_ext.django.middleware import RedisPoolMiddleware
from redis_pool_ext.scope import current_scope
from tests.support.threads import wait_until

from .asgi import MODES, OURS, Message, serve
from .conftest import Full
from .project.views import Stage

SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"


def test_async_view_answers_and_gives_its_connection_back(pool: RedisPool) -> None:
    """An async view uses request.redis from a thread; the lease ends with the response."""

    async def main() -> Any:
        response = await AsyncClient().get("/async_hits/")
        assert current_scope() is None
        return response

    assert asyncio.run(main()).content == b"1"
    assert pool.stats().acquired == 1
    assert pool.stats().in_use == 0


@MODES
@pytest.mark.parametrize("path", ["/hits/", "/lazy_template/", "/writes_session/", "/async_hits/"])
def test_every_mix_of_sync_and_async_uses_one_connection(
    settings: Any, pool: RedisPool, path: str, inside: list[str]
) -> None:
    """Views, templates and middleware may run in threads; they are in the request's scope."""
    settings.MIDDLEWARE = [OURS, *inside, SESSIONS]
    assert asyncio.run(AsyncClient().get(path)).status_code == 200
    assert pool.stats().acquired == 1
    assert pool.stats().in_use == 0


@pytest.mark.parametrize("path", ["/async_hits/", "/hits/", "/writes_session/"])
def test_full_pool_answers_503_under_asgi(full: Full, path: str) -> None:
    """Async view, sync view and session middleware answer 503, as under WSGI."""
    with full():
        response = asyncio.run(AsyncClient().get(path))
    assert response.status_code == 503
    assert int(response["Retry-After"]) >= 1


def test_request_that_waits_leaves_the_loop_running(full: Full, pool: RedisPool) -> None:
    """While one request waits for a connection, the loop serves another, and frees one."""
    pool.timeout = 20.0  # were the loop blocked, nobody would free the connection

    async def main(held: ExitStack) -> list[Message]:
        waiting = asyncio.create_task(serve("/async_hits/", asyncio.Event()))
        while pool.stats().waiting == 0:
            await asyncio.sleep(0)
        assert (await serve("/async_quiet/", asyncio.Event()))[0]["status"] == 200
        held.close()
        return await waiting

    with full() as held:
        assert asyncio.run(main(held))[1]["body"] == b"1"


def test_async_middleware_needs_no_thread() -> None:
    """All that Django calls for a request is a coroutine function: none is sent to a thread."""

    async def get_response(request: Any) -> Any: ...

    middleware = RedisPoolMiddleware(get_response)
    assert iscoroutinefunction(middleware)
    hooks = ["process_view", "process_template_response", "process_exception"]
    assert [hook for hook in hooks if hasattr(middleware, hook)] == []


@MODES
def test_cancelled_request_gives_its_connection_back(
    settings: Any, pool: RedisPool, inside: list[str]
) -> None:
    """A cancelled task ends the lease at once."""
    settings.MIDDLEWARE = [OURS, *inside]

    async def main() -> None:
        Stage.arrived = asyncio.Event()
        request = asyncio.create_task(AsyncClient().get("/async_endless/"))
        await Stage.arrived.wait()
        assert pool.stats().in_use == 1
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert pool.stats().in_use == 0

    asyncio.run(main())


def test_cancelled_in_a_command_cuts_it_off(pool: RedisPool, admin: Redis) -> None:
    """A command in a thread cannot be cancelled: its socket closes, and it raises there."""

    async def main() -> None:
        request = asyncio.create_task(AsyncClient().get("/async_blocks/"))
        while not any(one["cmd"] == "blpop" for one in admin.client_list()):
            await asyncio.sleep(0)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

    asyncio.run(main())
    wait_until(lambda: bool(Stage.seen))  # redis-py's Python parser raises a ValueError here
    stats = pool.stats()
    assert (stats.in_use, stats.idle, stats.double_releases) == (0, 0, 0)


def test_async_body_uses_the_lease_of_its_request(pool: RedisPool) -> None:
    """An async generator has the lease, also through get_redis(), and gives it back."""

    async def main() -> bytes:
        response = await AsyncClient().get("/async_stream/")
        return b"".join([chunk async for chunk in response])

    first, second = asyncio.run(main()).split()
    assert first == second
    assert pool.stats().acquired == 1
    assert pool.stats().in_use == 0


def test_client_gone_in_the_view_ends_the_lease(pool: RedisPool) -> None:
    """The server reports a disconnect, Django cancels the view, the lease ends."""

    async def main() -> None:
        Stage.arrived = asyncio.Event()
        assert await serve("/async_endless/", gone=Stage.arrived) == []

    asyncio.run(main())
    assert pool.stats().acquired == 1
    assert pool.stats().in_use == 0


def test_client_gone_in_the_body_ends_the_lease(pool: RedisPool) -> None:
    """A body that would go on for ever ends with its client."""

    async def main() -> list[Message]:
        gone = asyncio.Event()
        return await serve("/async_stream_endless/", gone, on_body=gone.set)

    messages = asyncio.run(main())
    assert [message["type"] for message in messages] == [
        "http.response.start",
        "http.response.body",
    ]
    assert pool.stats().acquired == 1
    assert pool.stats().in_use == 0


@pytest.mark.parametrize("path", ["/async_stream/", "/stream_begun/", "/async_hits/"])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous")
def test_asgi_server_leaves_nothing_taken(pool: RedisPool, path: str) -> None:
    """Served by Django's own handler, sync and async bodies give everything back."""
    messages = asyncio.run(serve(path, asyncio.Event()))
    assert messages[0]["status"] == 200
    assert pool.stats().acquired == 1
    assert pool.stats().in_use == 0
