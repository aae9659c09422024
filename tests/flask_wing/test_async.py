"""Async views: each runs in an event loop of its own, in the scope of its request."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import redis.asyncio
from flask import Flask, g

from redis_pool_ext import LeaseError, RedisPool, get_async_pool, get_async_redis
from redis_pool_ext.aio.loops import async_pools
from redis_pool_ext.flask import current_redis
from tests.support.threads import wait_until

from .support import all_held, make_app, named, pool_of

pytest.importorskip("asgiref", reason="flask[async]")

NAME = "async-views"  # as which the server knows the connections


@pytest.fixture
def app(url: str) -> Flask:
    """An app whose async views use either client."""
    app = make_app(url, options={"client_name": NAME})

    @app.get("/current")
    async def current() -> str:
        return str(current_redis.incr("hits"))

    @app.get("/awaited")
    async def awaited() -> str:
        return str(await get_async_redis().incr("hits"))

    return app


class TestCurrentRedis:
    """The client that is not awaited, and blocks the thread of its request only."""

    def test_requests_share_the_pool_of_the_threads(self, client, pool, admin):
        """One connection for all that come one after the other: nothing is dialled for them."""
        assert [client.get("/current").text for _ in range(5)] == ["1", "2", "3", "4", "5"]
        stats = pool.stats()
        assert (stats.created, stats.acquired, stats.in_use, stats.idle) == (1, 5, 0, 1)
        assert len(named(admin, NAME)) == 1

    def test_ten_requests_at_once_share_two_connections(self, app, pool, admin):
        """Eight wait in their threads; each blocks its own loop, and no other."""
        both, go = threading.Barrier(3), threading.Event()

        @app.get("/stands")
        async def view() -> str:
            current_redis.incr("hits")
            if not go.is_set():
                both.wait(20)
                go.wait(20)
            return "done"

        with ThreadPoolExecutor(10) as threads:
            requests = [
                threads.submit(lambda: app.test_client().get("/stands").text) for _ in range(10)
            ]
            both.wait(20)
            wait_until(lambda: pool.stats().waiting == 8)
            assert len(named(admin, NAME)) == 2
            go.set()
            assert {request.result() for request in requests} == {"done"}
        stats = pool.stats()
        assert (stats.created, stats.acquired, stats.in_use) == (2, 10, 0)

    def test_tasks_of_a_view_share_the_lease(self, app, client, pool):
        """Each has a copy of the context, and finds the same client there."""

        @app.get("/tasks")
        async def view() -> str:
            async def ask() -> int:
                return g.redis.client_id()

            ids = await asyncio.gather(ask(), ask(), asyncio.to_thread(current_redis.client_id))
            return str(len({*ids, current_redis.client_id()}))

        assert client.get("/tasks").text == "1"
        assert (pool.stats().acquired, pool.stats().in_use) == (1, 0)

    def test_exhausted_pool_is_answered_with_503(self, app, client, pool):
        """As in a view that is a plain function."""
        with all_held(app):
            response = client.get("/current")
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) >= 1
        assert client.get("/current").text == "1"
        assert pool.stats().in_use == 0

    def test_view_that_raises_gives_its_connection_back(self, app, client, pool):
        """An error in the view costs no connection."""

        @app.get("/fails")
        async def view() -> str:
            current_redis.ping()
            raise ZeroDivisionError

        assert client.get("/fails").status_code == 500
        assert (pool.stats().in_use, pool.stats().idle) == (0, 1)

    def test_async_functions_around_the_view_share_its_lease(self, app, client, pool):
        """Flask runs each in a loop of its own; the connection is the request's."""
        ids = []

        @app.before_request
        async def before() -> None:
            ids.append(current_redis.client_id())

        @app.after_request
        async def after(response):
            ids.append(current_redis.client_id())
            return response

        client.get("/current")
        assert len(ids) == 2
        assert len(set(ids)) == 1
        assert (pool.stats().acquired, pool.stats().in_use) == (1, 0)


class TestGetAsyncRedis:
    """The client that is awaited, for libraries: it works, at the price of a dial per call."""

    def test_each_call_dials_and_leaves_nothing(self, app, client, admin):
        """A loop, and so a pool, for each; both are gone with the response."""
        seen: set[str] = set()

        @app.get("/seen")
        async def view() -> str:
            await get_async_redis().ping()
            seen.update(named(admin, NAME))
            return str(get_async_pool().stats().created)

        assert [client.get("/seen").text for _ in range(3)] == ["1", "1", "1"]
        assert len(seen) == 3
        wait_until(lambda: not named(admin, NAME))
        assert async_pools() == []

    def test_it_is_the_leased_client_with_the_apps_settings(self, app, client):
        """One connection for all that the view does, of the app's own pool."""

        @app.get("/leased")
        async def view() -> str:
            pool = get_async_pool()
            ids = await asyncio.gather(*(get_async_redis().client_id() for _ in range(5)))
            in_use = pool.stats().in_use
            return f"{len(set(ids))} {in_use} {pool.max_connections}"

        assert client.get("/leased").text == "1 1 2"

    def test_pool_of_the_threads_is_not_touched(self, client, pool):
        """Who needs only this one has one connection, not two."""
        assert client.get("/awaited").text == "1"
        assert pool.stats().acquired == 0

    def test_both_clients_in_one_view_are_two_leases(self, app, client, pool):
        """One of each kind, and both end with the request."""

        @app.get("/both")
        async def view() -> str:
            current_redis.incr("hits")
            return str(await get_async_redis().incr("hits"))

        assert client.get("/both").text == "2"
        assert (pool.stats().acquired, pool.stats().in_use) == (1, 0)

    def test_exhausted_pool_is_answered_with_503(self, app, client):
        """The loop's own pool is as bounded, and as patient, as the other one."""

        @app.get("/too_many")
        async def view() -> str:
            pool = get_async_pool()
            held = [await pool.get_connection() for _ in range(pool.max_connections)]
            pool.timeout = 0.0
            return f"{await get_async_redis().incr('hits')} beside {held}"

        response = client.get("/too_many")
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) >= 1

    def test_client_of_a_loop_that_has_ended_goes_on_in_the_next(self, app, client):
        """`before_request` and the view have a loop each, and the same scope."""
        kept = []

        @app.before_request
        async def before() -> None:
            kept.append(get_async_redis())
            await kept[0].ping()

        @app.get("/kept")
        async def view() -> str:
            return str(await kept[0].incr("hits"))

        assert client.get("/kept").text == "1"

    def test_client_kept_beyond_its_request_raises(self, app, client):
        """The lease ended with the request, in whatever loop it was."""
        kept: list[redis.asyncio.Redis] = []

        @app.get("/keeps")
        async def view() -> str:
            kept.append(get_async_redis())
            await kept[0].ping()
            return "ok"

        client.get("/keeps")
        with pytest.raises(LeaseError, match="has ended"):
            asyncio.run(kept[0].ping())

    def test_plain_view_is_told_which_client_is_its_own(self, app, client):
        """Outside of a coroutine there is no loop whose pool it could be."""

        @app.get("/plain_function")
        def view() -> str:
            with pytest.raises(LeaseError, match="elsewhere use"):
                get_async_redis()
            return "told"

        assert client.get("/plain_function").text == "told"


def test_async_command_has_a_lease(app, pool: RedisPool):
    """A coroutine in an app context is in its scope, as a CLI command's is."""
    with app.app_context():

        async def work() -> int:
            return await get_async_redis().incr("runs") + current_redis.incr("runs")

        assert asyncio.run(work()) == 3
        assert pool_of(app).stats().in_use == 1
    assert pool.stats().in_use == 0
