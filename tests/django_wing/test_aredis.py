"""`request.aredis`: the lease of coroutines, on the pool of the event loop that serves them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio
from django.test import AsyncClient
from redis import Redis

from redis_pool_ext import LeaseError, RedisPool, get_async_pool
from redis_pool_ext.aio.loops import async_pools
from redis_pool_ext.scope import current_scope

from .asgi import (
    ASYNC_ONLY,
    MODES,
    OURS,
    SYNC_ONLY,
    all_held,
    assert_all_is_back,
    is_blocked,
    serve,
    until,
)
from .project.views import Stage


@MODES
@pytest.mark.parametrize("path", ["/aredis/hits/", "/aredis/many/"])
def test_view_takes_one_connection_and_gives_it_back(
    settings: Any, path: str, inside: list[str]
) -> None:
    """Commands and pipelines run on one connection of the loop's pool."""
    settings.MIDDLEWARE = [OURS, *inside]

    async def main() -> None:
        response = await AsyncClient().get(path)
        assert int(response.content) == (1 if "hits" in path else 2)
        assert current_scope() is None
        assert_all_is_back(acquired=1)

    asyncio.run(main())


def test_view_uses_no_connection_of_the_threads_pool(pool: RedisPool) -> None:
    """A coroutine has the loop's pool, and leaves the process's alone."""
    asyncio.run(AsyncClient().get("/aredis/hits/"))
    assert pool.stats().created == 0


def test_sync_view_under_asgi_uses_the_threads_pool(pool: RedisPool) -> None:
    """`request.redis` is what it was, and makes no pool for the loop."""

    async def main() -> list[Any]:
        assert (await AsyncClient().get("/hits/")).status_code == 200
        return async_pools()

    assert asyncio.run(main()) == []
    assert pool.stats().acquired == 1


@pytest.mark.parametrize("path", ["/quiet/", "/async_quiet/"])
def test_request_without_redis_makes_no_pool(path: str) -> None:
    """What a request does not use it does not pay for."""

    async def main() -> list[Any]:
        assert (await AsyncClient().get(path)).status_code == 200
        return async_pools()

    assert asyncio.run(main()) == []


def test_request_aredis_is_a_redis_client() -> None:
    """`request.aredis` is what type checkers and libraries take it for."""
    asyncio.run(AsyncClient().get("/aredis/client_class/"))
    assert isinstance(Stage.seen[0], redis.asyncio.Redis)


def test_client_kept_beyond_its_request_says_so() -> None:
    """`request.aredis` after the end raises, instead of talking on somebody's connection."""

    async def main() -> None:
        await AsyncClient().get("/aredis/client_class/")
        with pytest.raises(LeaseError, match="has ended with its request"):
            await Stage.seen[0].ping()  # type: ignore[attr-defined]
        assert_all_is_back(acquired=1)

    asyncio.run(main())


@MODES
@pytest.mark.parametrize("name", ["gathers", "everything"])
def test_tasks_of_a_request_share_its_connection(
    settings: Any, name: str, inside: list[str]
) -> None:
    """gather(), child tasks, get_async_redis() and lease_scope() stay on one connection."""
    settings.MIDDLEWARE = [OURS, *inside]

    async def main() -> Any:
        response = await AsyncClient().get(f"/aredis/{name}/")
        assert_all_is_back(acquired=1)
        return response.json()["ids"]

    first, *others = asyncio.run(main())
    assert len(others) >= 3
    assert set(others) == {first}


@MODES
def test_both_clients_of_a_request_have_a_lease_each(
    settings: Any, pool: RedisPool, inside: list[str]
) -> None:
    """request.aredis and request.redis are two connections, and both go back."""
    settings.MIDDLEWARE = [OURS, *inside]

    async def main() -> Any:
        response = await AsyncClient().get("/aredis/both/")
        assert_all_is_back(acquired=1)
        return response.json()["ids"]

    ids = asyncio.run(main())
    assert ids[0] != ids[1]
    assert (pool.stats().acquired, pool.stats().in_use) == (1, 0)


@pytest.mark.parametrize("path", ["/aredis/hits/", "/hits/"])
@pytest.mark.parametrize(
    "inside",
    [[SYNC_ONLY, ASYNC_ONLY], [ASYNC_ONLY, SYNC_ONLY], [ASYNC_ONLY, SYNC_ONLY, ASYNC_ONLY]],
    ids=["sync over async", "async over sync", "async around sync"],
)
def test_mixed_middleware_is_in_the_requests_lease(
    settings: Any, pool: RedisPool, path: str, inside: list[str]
) -> None:
    """Whatever runs in threads and whatever in the loop has one connection of each pool."""
    settings.MIDDLEWARE = [OURS, *inside]

    async def main() -> None:
        assert (await AsyncClient().get(path)).status_code == 200
        assert_all_is_back(acquired=1)

    asyncio.run(main())
    assert len(Stage.seen) >= 2
    assert len(set(Stage.seen)) == 1
    assert (pool.stats().acquired, pool.stats().in_use) == (1, 0)


def test_requests_in_turn_open_one_connection(connected: Callable[[], int]) -> None:
    """Twenty requests in one loop, one after the other, share one connection."""

    async def main() -> None:
        for _ in range(20):
            assert (await AsyncClient().get("/aredis/hits/")).status_code == 200
        assert_all_is_back(acquired=20)
        assert get_async_pool().stats().created == connected() == 1

    asyncio.run(main())


def test_several_calls_from_a_sync_view_under_asgi_use_one_connection() -> None:
    """There all of them run in the server's loop."""

    async def main() -> Any:
        response = await AsyncClient().get("/aredis/from_sync_by_both_doors/")
        assert_all_is_back(acquired=1)
        return response.json()["ids"]

    assert len({number for pair in asyncio.run(main()) for number in pair}) == 1


@MODES
@pytest.mark.parametrize(("name", "status"), [("raises", 500), ("from_sync", 200)])
def test_request_gives_its_connection_back(
    settings: Any, name: str, status: int, inside: list[str]
) -> None:
    """A view that raises leaves nothing taken; nor does a sync view that calls coroutines."""
    settings.MIDDLEWARE = [OURS, *inside]

    async def main() -> None:
        visitor = AsyncClient(raise_request_exception=False)
        assert (await visitor.get(f"/aredis/{name}/")).status_code == status
        assert_all_is_back(acquired=1)

    asyncio.run(main())


@MODES
def test_cancelled_request_gives_its_connection_back(settings: Any, inside: list[str]) -> None:
    """A cancelled task ends the lease at once."""
    settings.MIDDLEWARE = [OURS, *inside]

    async def main() -> None:
        Stage.arrived = asyncio.Event()
        request = asyncio.create_task(AsyncClient().get("/aredis/endless/"))
        await Stage.arrived.wait()
        assert get_async_pool().stats().in_use == 1
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await until(lambda: not get_async_pool().stats().in_use)
        assert_all_is_back(acquired=1)

    asyncio.run(main())


@MODES
def test_cancelled_in_a_command_leaves_no_reply_behind(
    settings: Any, admin: Redis, inside: list[str]
) -> None:
    """The connection in the middle of a BLPOP closes: what arrives later is nobody's reply."""
    settings.MIDDLEWARE = [OURS, *inside]

    async def main() -> None:
        request = asyncio.create_task(AsyncClient().get("/aredis/blocks/"))
        await until(lambda: is_blocked(admin))
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await until(lambda: not is_blocked(admin))
        assert get_async_pool().stats().idle == 0
        admin.lpush("nothing", "too late")
        assert (await AsyncClient().get("/aredis/hits/")).content == b"1"
        assert_all_is_back(acquired=2)

    asyncio.run(main())
    assert admin.llen("nothing") == 1


def test_cancelled_while_it_waits_leaves_the_queue() -> None:
    """A request that goes away before its turn is not served, and nobody's turn is lost."""

    async def main() -> None:
        pool = get_async_pool()
        pool.timeout = 20.0
        async with all_held():
            requests = [asyncio.create_task(AsyncClient().get("/aredis/hits/")) for _ in range(3)]
            await until(lambda: pool.stats().waiting == 3)
            requests[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await requests[0]
            assert pool.stats().waiting == 2
        answers = [await request for request in requests[1:]]
        assert sorted(answer.content for answer in answers) == [b"1", b"2"]
        assert_all_is_back(acquired=4)

    asyncio.run(main())


def test_client_gone_in_the_view_ends_the_lease() -> None:
    """The server reports a disconnect, Django cancels the view, the lease ends."""

    async def main() -> None:
        Stage.arrived = asyncio.Event()
        assert await serve("/aredis/endless/", gone=Stage.arrived) == []
        assert_all_is_back(acquired=1)

    asyncio.run(main())


def test_dirty_return_names_the_view(caplog: pytest.LogCaptureFixture) -> None:
    """A connection that comes back in another database is closed; the log says from where."""

    async def main() -> None:
        await AsyncClient().get("/aredis/dirty/")
        assert get_async_pool().stats().idle == 0
        assert_all_is_back(acquired=1)

    asyncio.run(main())
    assert caplog.messages == [
        "default: connection closed instead of reused: left in SELECT, "
        "by GET /aredis/dirty/ (tests.django_wing.project.aviews.dirty)"
    ]


@pytest.mark.parametrize("name", ["leaves_a_task", "leaves_a_task_unused"])
def test_task_that_outlives_its_request_has_no_lease(name: str) -> None:
    """There request.aredis raises, and get_async_redis() borrows a connection per command."""

    async def main() -> None:
        Stage.arrived = asyncio.Event()
        assert (await AsyncClient().get(f"/aredis/{name}/")).status_code == 200
        assert get_async_pool().stats().in_use == 0
        before = get_async_pool().stats().acquired
        Stage.arrived.set()
        await Stage.task
        assert_all_is_back(acquired=before + 1)

    asyncio.run(main())
    error, reply = Stage.seen
    assert isinstance(error, LeaseError)
    assert "has ended with its request" in str(error)
    assert reply == b"later"


def test_task_in_a_command_when_its_request_ends_is_cut_off(admin: Redis) -> None:
    """The request does not wait for it; its connection closes, and it raises."""

    async def main() -> None:
        Stage.arrived = asyncio.Event()
        request = asyncio.create_task(AsyncClient().get("/aredis/leaves_a_command/"))
        await until(lambda: is_blocked(admin))
        Stage.arrived.set()
        assert (await request).status_code == 200
        with pytest.raises(redis.RedisError):
            await asyncio.wait_for(Stage.task, 10)
        assert get_async_pool().stats().idle == 0
        assert_all_is_back(acquired=1)

    asyncio.run(main())


def test_task_in_the_queue_when_its_request_ends_is_refused(admin: Redis) -> None:
    """Its turn comes too late: it raises, and its connection goes to the next."""

    async def main() -> None:
        pool = get_async_pool()
        pool.timeout = 20.0
        Stage.arrived = asyncio.Event()
        async with all_held():
            request = asyncio.create_task(AsyncClient().get("/aredis/leaves_a_command/"))
            await until(lambda: pool.stats().waiting == 1)
            Stage.arrived.set()
            assert (await request).status_code == 200
        with pytest.raises(LeaseError, match="has ended with its request"):
            await asyncio.wait_for(Stage.task, 10)
        assert not is_blocked(admin)
        assert_all_is_back(acquired=3)

    asyncio.run(main())
