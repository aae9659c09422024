"""What coroutines are refused with becomes 503, wherever that is."""

from __future__ import annotations

import asyncio
import gc
import logging
from contextlib import AsyncExitStack
from typing import Any

import pytest
from django.test import AsyncClient

from redis_pool_ext import PoolExhaustedError, RedisPool, get_async_pool

from .asgi import (
    ASYNC_ONLY,
    LEFT_OPEN,
    MODES,
    OURS,
    SYNC_ONLY,
    Message,
    all_held,
    assert_all_is_back,
    serve_into,
    until,
)
from .conftest import TIMEOUT


@MODES
@pytest.mark.parametrize("name", ["hits", "many", "gathers", "everything", "stream_begun"])
def test_full_pool_answers_503(settings: Any, name: str, inside: list[str]) -> None:
    """Commands, pipelines, tasks, and a view that begins before it streams: all say 503."""
    settings.MIDDLEWARE = [OURS, *inside]

    async def main() -> Any:
        async with all_held():
            response = await AsyncClient().get(f"/aredis/{name}/")
        assert_all_is_back(acquired=2)
        return response

    response = asyncio.run(main())
    assert response.status_code == 503
    assert int(response["Retry-After"]) >= 1


@pytest.mark.parametrize(
    "order",
    [[OURS, ASYNC_ONLY], [ASYNC_ONLY, OURS], [OURS, SYNC_ONLY, ASYNC_ONLY]],
    ids=["inside ours", "before ours", "inside a sync one"],
)
@pytest.mark.parametrize("path", ["/async_quiet/", "/quiet/"])
def test_async_middleware_meeting_a_full_pool_answers_503(
    settings: Any, path: str, order: list[str]
) -> None:
    """A middleware inside ours, or before it, gets the same 503 as a view."""
    settings.MIDDLEWARE = order

    async def main() -> Any:
        async with all_held():
            return await AsyncClient().get(path)

    response = asyncio.run(main())
    assert response.status_code == 503
    assert int(response["Retry-After"]) >= 1


def test_full_pool_of_threads_is_not_that_of_the_loop(pool: RedisPool) -> None:
    """MAX_CONNECTIONS bounds each pool by itself."""
    with pool.lease() as one, pool.lease() as other:
        assert one.ping()
        assert other.ping()
        assert asyncio.run(AsyncClient().get("/aredis/hits/")).status_code == 200


def test_full_pool_freed_answers_200() -> None:
    """Once connections come back, so do answers."""

    async def main() -> list[int]:
        async with all_held():
            first = await AsyncClient().get("/aredis/hits/")
        return [first.status_code, (await AsyncClient().get("/aredis/hits/")).status_code]

    assert asyncio.run(main()) == [503, 200]


def test_request_that_waits_is_served_when_a_connection_comes_back() -> None:
    """While one request waits the loop serves another, and its turn comes."""

    async def main(held: AsyncExitStack) -> bytes:
        waiting = asyncio.create_task(AsyncClient().get("/aredis/hits/"))
        await until(lambda: get_async_pool().stats().waiting == 1)
        assert (await AsyncClient().get("/async_quiet/")).status_code == 200
        await held.aclose()
        return (await waiting).content

    async def hold() -> bytes:
        get_async_pool().timeout = 20.0
        async with all_held() as held:
            return await main(held)

    assert asyncio.run(hold()) == b"1"


def test_request_that_goes_on_after_a_refusal_waits_no_second_time() -> None:
    """Four commands on a full pool cost one TIMEOUT, not four."""

    async def main() -> None:
        pool = get_async_pool()
        async with all_held():
            assert (await AsyncClient().get("/aredis/stubborn/")).status_code == 503
        assert pool.stats().wait_seconds < 2 * TIMEOUT
        assert pool.stats().timed_out == 4

    asyncio.run(main())


def test_server_down_answers_503_and_says_so(
    settings: Any, nobody_there: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that cannot be reached is a 503 as well, but not called exhausted."""
    settings.REDIS_POOLS = {"default": {"URL": nobody_there, "TIMEOUT": TIMEOUT}}

    async def main() -> list[Any]:
        return [await AsyncClient().get("/aredis/hits/") for _ in range(5)]

    with caplog.at_level(logging.INFO, "redis_pool_ext"):
        answers = asyncio.run(main())
    assert {answer.status_code for answer in answers} == {503}
    assert all(int(answer["Retry-After"]) >= 1 for answer in answers)
    assert "Redis cannot be reached" in caplog.text
    assert "no connection within" not in caplog.text
    assert "s3cret" not in caplog.text


@LEFT_OPEN
def test_refusal_in_a_body_comes_too_late_for_a_503() -> None:
    """Django sends the headers before the first chunk: the server is told, and aborts."""
    sent: list[Message] = []

    async def main() -> None:
        async with all_held():
            with pytest.raises(PoolExhaustedError):
                await serve_into(sent, "/aredis/stream/", asyncio.Event())
        assert_all_is_back(acquired=2)

    asyncio.run(main())
    gc.collect()
    assert [message["type"] for message in sent] == ["http.response.start"]
