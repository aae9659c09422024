"""The cache and the sessions of a request: on its lease, and answered with 503 like the rest."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from django.core.cache import caches
from django.core.handlers.wsgi import WSGIHandler
from django.test import AsyncClient, Client

from redis_pool_ext import RedisPool, get_async_pool, get_pool
from redis_pool_ext.demo.serving import serve
from tests.support.threads import spawn

from .conftest import TIMEOUT, Full
from .project import cached

OURS = {"BACKEND": "redis_pool_ext.django.cache.RedisPoolCache"}
ENGINE = "redis_pool_ext.django.sessions"
DJANGOS = "django.contrib.sessions.backends.cache"


@pytest.fixture(autouse=True)
def pool(settings: Any, pool: RedisPool) -> RedisPool:
    """The pool of the project, with time enough for a slow machine's dial."""
    pools = settings.REDIS_POOLS
    settings.REDIS_POOLS = {"default": {**pools["default"], "TIMEOUT": 20}}
    return get_pool()


@pytest.fixture
def full(pool: RedisPool, full: Full) -> Full:
    """All of it held, and little time for whoever wants one."""
    pool.timeout = TIMEOUT
    return full


@pytest.fixture(autouse=True)
def _cached_project(settings: Any) -> None:
    """The project with its cache and its sessions on the pool."""
    settings.CACHES = {"default": OURS}
    settings.SESSION_ENGINE = ENGINE
    settings.ROOT_URLCONF = "tests.django_wing.project.cached"


def test_request_that_touches_all_of_it_holds_one_connection(
    client: Client, connected: Callable[[], int], pool: RedisPool
) -> None:
    """`request.redis`, the cache and the session; loaded before the view, saved after it."""
    client.get("/stack/")
    before = pool.stats().acquired
    found = client.get("/stack/").json()
    assert found["seen"] == ["value", {"a": 1, "b": 2}, False]
    assert found["visits"] == 2
    assert len({*found["ids"]}) == 1
    assert (found["in_use"], found["acquired"] - before) == (1, 1)
    assert pool.stats().acquired - before == 1  # the session's, too
    assert connected() == 1
    assert pool.stats().in_use == 0


def test_middleware_before_ours_borrows_per_call(
    client: Client, settings: Any, pool: RedisPool
) -> None:
    """The session is stored after the lease has ended then; nothing stays out."""
    settings.MIDDLEWARE = settings.MIDDLEWARE[::-1]
    client.get("/stack/")
    assert client.get("/stack/").json()["visits"] == 2
    assert pool.stats().in_use == 0
    assert pool.stats().acquired > 2


def test_coroutine_that_touches_all_of_it_holds_one_connection() -> None:
    """`request.aredis` and the cache's asynchronous methods."""
    found = asyncio.run(AsyncClient().get("/astack/")).json()
    assert found["seen"] == ["value", {"a": 1, "b": 2}]
    assert (found["in_use"], found["acquired"]) == (1, 1)


def test_coroutine_and_its_threads_see_the_same_cache() -> None:
    """They have a pool each."""
    assert asyncio.run(AsyncClient().get("/in_both/")).content == b"value"


@pytest.mark.parametrize("view", ["reads", "stack", "page", "stream"])
def test_exhausted_pool_is_answered_with_503(visitor: Client, full: Full, view: str) -> None:
    """Whether it is the cache that asks first, or the page cache, or a streaming view."""
    with full():
        response = visitor.get(f"/{view}/")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert visitor.get(f"/{view}/").status_code == 200


def test_session_without_a_connection_is_answered_with_503(visitor: Client, full: Full) -> None:
    """It is loaded by a middleware, or by whoever looks into it first."""
    visitor.get("/stack/")
    with full():
        assert visitor.get("/stack/").status_code == 503
    assert visitor.get("/stack/").json()["visits"] == 2


def test_visitor_who_comes_to_a_full_pool_stays_logged_in(visitor: Client, full: Full) -> None:
    """The session cannot be read, which is not the same as that there is none."""
    visitor.get("/stack/")
    with full():
        response = visitor.get("/visits/")
    assert response.status_code == 503
    assert "sessionid" not in response.cookies
    assert visitor.get("/visits/").content == b"1"


def test_coroutines_visitor_stays_logged_in_as_well(visitor: Client) -> None:
    """The same for what an async view reads, on the event loop's pool."""
    visitor.get("/stack/")
    tasks = AsyncClient(raise_request_exception=False)
    tasks.cookies = visitor.cookies

    async def visit() -> list[Any]:
        pool = get_async_pool()
        async with pool.lease() as one, pool.lease() as other:
            await one.ping()
            await other.ping()
            pool.timeout = TIMEOUT
            refused = await tasks.get("/avisits/")
        return [refused, await tasks.get("/avisits/")]

    refused, served = asyncio.run(visit())
    assert refused.status_code == 503
    assert "sessionid" not in refused.cookies
    assert served.content == b"1"


def test_session_that_has_ended_is_none(client: Client) -> None:
    """Its visitor is a stranger, and the cookie is taken back."""
    client.get("/stack/")
    caches["default"].clear()
    response = client.get("/visits/")
    assert response.content == b"a stranger"
    assert response.cookies["sessionid"]["max-age"] == 0


def test_sessions_of_djangos_engine_are_taken_over(client: Client, settings: Any) -> None:
    """The same keys, the same data."""
    settings.SESSION_ENGINE = DJANGOS
    client.get("/stack/")
    settings.SESSION_ENGINE = ENGINE
    assert client.get("/visits/").content == b"1"


def test_cached_page_is_made_once(client: Client, pool: RedisPool) -> None:
    """And then read in one lease."""
    cached.calls.clear()
    answers = [client.get("/page/").content for _ in range(3)]
    assert answers == [b"a page"] * 3
    assert cached.calls == ["page"]
    assert pool.stats().acquired == 3


def test_each_alias_has_its_own_lease(client: Client, settings: Any) -> None:
    """A cache on another pool takes one of its connections, and none of the default's."""
    pools = settings.REDIS_POOLS
    settings.REDIS_POOLS = {**pools, "reports": {**pools["default"], "MAX_CONNECTIONS": 1}}
    settings.CACHES = {"default": OURS, "reports": {**OURS, "LOCATION": "reports"}}
    found = client.get("/of_reports/").json()
    assert found["in_use"] == [1, 1]
    assert [get_pool(alias).stats().in_use for alias in ("default", "reports")] == [0, 0]


def test_streamed_body_uses_the_cache_on_its_lease(client: Client, pool: RedisPool) -> None:
    """It holds one connection to the end, and no second one."""
    response = client.get("/stream/")
    assert response.getvalue() == b"streamed 1"
    assert pool.stats().in_use == 0


def test_search_that_is_left_keeps_no_connection(client: Client, pool: RedisPool) -> None:
    """A generator that nobody ends holds nothing."""
    assert client.get("/searches/").content.isdigit()
    assert pool.stats().in_use == 0


def test_request_that_holds_its_connection_is_named_where_the_cache_waits(
    visitor: Client, pool: RedisPool, caplog: pytest.LogCaptureFixture
) -> None:
    """A lease of the cache's own, outside of a request, is named after its alias."""
    cache = cached.caches["default"]
    pool.timeout = TIMEOUT
    with pool.lease(cache) as mine, pool.lease("a report") as other:
        mine.ping()
        other.ping()
        assert visitor.get("/reads/").status_code == 503
    assert 'the cache on "default"' in caplog.text
    assert "a report" in caplog.text


def status_of(port: int, path: str) -> int:
    """Ask as a browser without cookies does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_whole_app_under_load_never_exceeds_the_limit(connected: Callable[[], int]) -> None:
    """A real server with many threads; Redis is asked all the while who is connected."""
    over = threading.Event()

    def watch() -> int:
        most = 0
        while not over.is_set():
            most = max(most, connected())
        return most

    with ExitStack() as stack:
        port = serve(WSGIHandler(), 0, stack)
        watching = spawn(watch)
        stack.callback(over.set)
        visitors = [
            spawn(lambda: {status_of(port, "/stack/") for _ in range(25)}) for _ in range(8)
        ]
        assert [visitor.result() for visitor in visitors] == [{200}] * 8
    assert watching.result() == 2
    stats = get_pool().stats()
    assert (stats.in_use, stats.created) == (0, 2)
    assert stats.waited > 0  # it was a crowd
