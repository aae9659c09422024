"""Web frameworks of asyncio: one lease per request, and a 503 when there is none.

The applications are those of docs/asyncio.md, each on a pool of two connections.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import redis

from redis_pool_ext import (
    AsyncRedisPool,
    LeaseError,
    PoolExhaustedError,
    get_async_redis,
    get_pool,
    get_redis,
)

from .tasks import start, wait_until

pytest.importorskip("httpx", reason="without a framework")

from .asgi import SITES, FastAPI, Quart, Site, Starlette, serve

NAME = "frameworks"  # as which the server knows the connections
TIMEOUT = 0.1  # of an exhausted pool; others wait long enough for a slow machine


@pytest.fixture
def address(url: str) -> str:
    return f"{url}?max_connections=2&timeout=20&client_name={NAME}"


@pytest.fixture
def connected(admin: redis.Redis) -> Callable[[], int]:
    """Counts the pool's connections, as the server sees them."""
    return lambda: sum(one["name"] == NAME for one in admin.client_list())


def site_of(framework: str, address: str) -> Site:
    pytest.importorskip(framework)
    return SITES[framework](address)


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest, address: str) -> Site:
    return site_of(request.param, address)


@pytest.fixture
def starlette(address: str) -> Starlette:
    return site_of("starlette", address)  # type: ignore[return-value]


@pytest.fixture
def fastapi(address: str) -> FastAPI:
    return site_of("fastapi", address)  # type: ignore[return-value]


@pytest.fixture
def quart(address: str) -> Quart:
    return site_of("quart", address)  # type: ignore[return-value]


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port where connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        yield taken.getsockname()[1]


@asynccontextmanager
async def all_held(pool: AsyncRedisPool) -> AsyncIterator[None]:
    """Hold every connection of the pool, and let others wait for `TIMEOUT` only."""
    patience = pool.timeout
    async with AsyncExitStack() as stack:
        for _ in range(pool.max_connections):
            await (await stack.enter_async_context(pool.lease())).ping()
        pool.timeout = TIMEOUT
        stack.callback(setattr, pool, "timeout", patience)
        yield


class Stage:
    """A view that uses Redis and then stands still, until it is told to go on."""

    def __init__(self) -> None:
        self.arrived, self.go = asyncio.Event(), asyncio.Event()
        self.client: Any = None

    async def view(self, redis: Any) -> str:
        self.client = redis
        await redis.incr("hits")
        self.arrived.set()
        await self.go.wait()
        return "done"


class TestLease:
    """From the first command to the end of the request."""

    async def test_request_without_redis_takes_no_connection(self, site):
        """A view that has the client, and does not use it, costs no slot."""

        async def view(redis: Any) -> str:
            return "plain"

        site.add("/plain", view)
        async with site.running() as client:
            assert (await client.get("/plain")).text == "plain"
            assert site.pool.stats().acquired == 0

    async def test_requests_one_after_the_other_share_one_connection(self, site, connected):
        """Each gives it back at its end, clean."""
        async with site.running() as client:
            assert [(await client.get("/")).text for _ in range(5)] == ["1", "2", "3", "4", "5"]
            stats = site.pool.stats()
            assert (stats.in_use, stats.idle, stats.created, stats.acquired) == (0, 1, 1, 5)
            assert connected() == 1

    async def test_request_has_one_connection_for_all_its_tasks(self, site):
        """Commands, a pipeline and child tasks of one view run on the same one."""

        async def view(redis: Any) -> str:
            ids = await asyncio.gather(*(redis.client_id() for _ in range(5)))
            ids += await redis.pipeline().client_id().execute()
            return f"{len(set(ids))} {site.pool.stats().in_use}"

        site.add("/ids", view)
        async with site.running() as client:
            assert (await client.get("/ids")).text == "1 1"
            assert site.pool.stats().acquired == 1

    async def test_ten_requests_at_once_share_two_connections(self, site, connected, admin):
        """Eight wait in line, and all are served; the server never sees a third connection."""
        stage = Stage()
        site.add("/stands", stage.view)
        async with site.running() as client:
            requests = [start(client.get("/stands")) for _ in range(10)]
            await wait_until(lambda: site.pool.stats().waiting == 8 and admin.get("hits") == b"2")
            assert connected() == 2
            stage.go.set()
            assert {(await request).text for request in requests} == {"done"}
            stats = site.pool.stats()
            assert (stats.created, stats.acquired, stats.in_use) == (2, 10, 0)
            assert admin.get("hits") == b"10"

    async def test_view_that_raises_gives_its_connection_back(self, site):
        """A 500 costs no connection."""

        async def view(redis: Any) -> str:
            await redis.ping()
            raise ZeroDivisionError

        site.add("/fails", view)
        async with site.running() as client:
            assert (await client.get("/fails")).status_code == 500
            stats = site.pool.stats()
            assert (stats.in_use, stats.idle) == (0, 1)

    async def test_cancelled_request_gives_its_connection_back(self, site):
        """Between two commands it is clean, and is kept."""
        stage = Stage()
        site.add("/stands", stage.view)
        async with site.running() as client:
            request = start(client.get("/stands"))
            await stage.arrived.wait()
            assert site.pool.stats().in_use == 1
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            stats = site.pool.stats()
            assert (stats.in_use, stats.idle) == (0, 1)

    async def test_request_cancelled_in_a_command_costs_its_connection(
        self, site, connected, admin
    ):
        """Nobody will read the reply, so the socket is closed, and the next request dials."""

        async def view(redis: Any) -> str:
            return str(await redis.blpop("empty"))

        site.add("/blocks", view)
        async with site.running() as client:
            request = start(client.get("/blocks"))
            await wait_until(lambda: any(one["cmd"] == "blpop" for one in admin.client_list()))
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            await wait_until(lambda: connected() == 0)
            stats = site.pool.stats()
            assert (stats.in_use, stats.idle) == (0, 0)
            assert (await client.get("/")).text == "1"

    async def test_client_used_after_its_request_raises(self, site):
        """It never reconnects behind one's back."""
        stage = Stage()
        site.add("/stands", stage.view)
        async with site.running() as client:
            stage.go.set()
            await client.get("/stands")
            with pytest.raises(LeaseError, match="has ended"):
                await stage.client.ping()

    async def test_streamed_body_keeps_the_lease_to_its_end(self, site):
        """All of it runs on the connection of the request."""
        seen: list[int] = []

        async def body(redis: Any) -> AsyncGenerator[str, None]:
            for _ in range(3):
                yield str(await redis.client_id())

        site.add_stream("/streams", body)
        async with site.running():
            messages = await serve(
                site.app, "/streams", on_body=lambda: seen.append(site.pool.stats().in_use)
            )
            assert len({message["body"] for message in messages if message.get("body")}) == 1
            assert seen == [1, 1, 1]
            assert (site.pool.stats().in_use, site.pool.stats().acquired) == (0, 1)

    async def test_client_gone_in_the_body_ends_the_lease(self, site):
        """A body that would go on for ever ends with its client."""

        async def body(redis: Any) -> AsyncGenerator[str, None]:
            while True:
                yield str(await redis.incr("chunks"))

        site.add_stream("/endless", body)
        async with site.running():
            gone = asyncio.Event()
            await serve(site.app, "/endless", gone, on_body=gone.set)
            stats = site.pool.stats()
            assert (stats.in_use, stats.acquired) == (0, 1)


class TestFullPool:
    """What the page's handler makes of it."""

    async def test_exhausted_pool_is_answered_with_503(self, site):
        """With Retry-After, and again with 200 as soon as there is a connection."""
        async with site.running() as client:
            async with all_held(site.pool):
                refused = await client.get("/")
            assert refused.status_code == 503
            assert int(refused.headers["Retry-After"]) >= 1
            assert refused.headers["Cache-Control"] == "no-store"
            assert refused.headers["Content-Type"] == "application/problem+json"
            assert refused.json()["retry_after"] == int(refused.headers["Retry-After"])
            assert (await client.get("/")).status_code == 200
            assert (site.pool.stats().in_use, site.pool.stats().timed_out) == (0, 1)

    async def test_requests_beyond_two_are_refused_while_two_stand_still(self, site, connected):
        """Views hold the connections here; those who have one are not disturbed."""
        stage = Stage()
        site.add("/stands", stage.view)
        async with site.running() as client:
            requests = [start(client.get("/stands")) for _ in range(2)]
            await wait_until(lambda: site.pool.stats().in_use == 2)
            site.pool.timeout = TIMEOUT
            refused = await asyncio.gather(*(client.get("/") for _ in range(8)))
            assert [answer.status_code for answer in refused] == [503] * 8
            assert connected() == 2
            stage.go.set()
            assert [(await request).text for request in requests] == ["done"] * 2

    async def test_unreachable_server_is_answered_with_503(self, site, deaf_port):
        """Down is "come back later", too; the answer says nothing of the server."""
        async with site.running() as client:
            site.pool.connection_kwargs["port"] = deaf_port
            refused = await client.get("/")
            assert refused.status_code == 503
            assert str(deaf_port) not in refused.text

    async def test_error_of_a_command_is_not_a_503(self, site):
        """A wrong type is the program's mistake, or its business."""

        async def view(redis: Any) -> str:
            await redis.set("text", "text")
            return str(await redis.incr("text"))

        site.add("/wrong", view)
        async with site.running() as client:
            assert (await client.get("/wrong")).status_code == 500


class TestStarlette:
    """What the page says of it beyond that."""

    async def test_plain_function_uses_redis_of_the_threads_in_the_same_scope(self, starlette):
        """It runs in a thread, where get_redis() is the request's client."""
        from starlette.responses import PlainTextResponse

        def endpoint(_request: Any) -> Any:
            ids = {get_redis().client_id(), get_redis().client_id()}
            return PlainTextResponse(f"{len(ids)} {get_pool().stats().in_use}")

        starlette.add_endpoint("/thread", endpoint)
        async with starlette.running() as client:
            assert (await client.get("/thread")).text == "1 1"
            assert (get_pool().stats().in_use, get_pool().stats().acquired) == (0, 1)

    async def test_background_task_keeps_the_lease_until_it_is_done(self, starlette):
        """It belongs to the request."""
        from starlette.background import BackgroundTask
        from starlette.responses import PlainTextResponse

        seen = []

        async def later() -> None:
            seen.append((await get_async_redis().client_id(), starlette.pool.stats().in_use))

        async def endpoint(_request: Any) -> Any:
            mine = str(await get_async_redis().client_id())
            return PlainTextResponse(mine, background=BackgroundTask(later))

        starlette.add_endpoint("/background", endpoint)
        async with starlette.running() as client:
            mine = int((await client.get("/background")).text)
            assert seen == [(mine, 1)]
            assert starlette.pool.stats().in_use == 0

    async def test_lease_is_named_by_its_request(self, starlette, caplog):
        """A SELECT that is left behind is told with the path, on one line."""

        async def view(redis: Any) -> str:
            await redis.execute_command("SELECT", 5)
            return "ok"

        starlette.add("/dirty{rest}", view)
        async with starlette.running() as client:
            await client.get("/dirty%0Aline")
        (record,) = caplog.records
        assert record.getMessage().endswith(r"by GET '/dirty\nline'")


class TestFastAPI:
    """What the page says of it beyond that."""

    async def test_dependents_of_one_request_share_the_lease(self, fastapi):
        """Two dependencies on it are one client."""
        first, second = fastapi.leased(), fastapi.leased()

        async def endpoint(one=first, other=second):
            return one is other

        fastapi.app.add_api_route("/both", endpoint)
        async with fastapi.running() as client:
            assert (await client.get("/both")).json() is True

    async def test_refused_request_waits_once(self, fastapi):
        """A view that goes on without Redis does not wait a second time."""

        async def view(redis: Any) -> str:
            for _ in range(10):
                with pytest.raises(PoolExhaustedError):
                    await redis.ping()
            return "without"

        fastapi.add("/goes_on", view)
        async with fastapi.running() as client:
            async with all_held(fastapi.pool):
                assert (await client.get("/goes_on")).text == "without"
            stats = fastapi.pool.stats()
            assert stats.timed_out == 10
            assert stats.wait_seconds < 5 * TIMEOUT

    async def test_pool_is_closed_with_the_application(self, fastapi, connected):
        """Its sockets are gone when the lifespan ends, before the loop does."""
        async with fastapi.running() as client:
            await client.get("/")
            assert connected() == 1
        assert fastapi.pool.is_closed
        await wait_until(lambda: connected() == 0)


class TestQuart:
    """What the page says of it beyond that."""

    async def test_client_gone_in_the_view_ends_the_lease(self, quart):
        """The server reports a disconnect, Quart cancels the view, the lease ends."""
        stage = Stage()
        quart.add("/stands", stage.view)
        async with quart.running():
            await serve(quart.app, "/stands", gone=stage.arrived)
            stats = quart.pool.stats()
            assert (stats.in_use, stats.idle) == (0, 1)

    async def test_pools_are_closed_with_the_application(self, quart, connected):
        """Its sockets are gone when it has stopped, before the loop is."""
        async with quart.running() as client:
            await client.get("/")
            pool = quart.pool
        assert pool.is_closed
        await wait_until(lambda: connected() == 0)
