"""Coroutines under WSGI: a new event loop for each call, and for each request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from redis_pool_ext import RedisPool
from redis_pool_ext.aio.loops import async_pools
from tests.support.threads import wait_until

from .asgi import (
    ASYNC_ONLY,
    OURS,
    SYNC_ONLY,
)
from .project.views import Stage
from .waits import PATIENCE

CALLS = 300
MAX_CONNECTIONS = 2


def test_async_view_under_wsgi_works_on_every_call(
    client: Client, pool: RedisPool, connected: Callable[[], int]
) -> None:
    """Each call has a loop of its own, and nothing is left of the one before."""
    answers = [client.get("/aredis/hits/").content for _ in range(20)]
    assert answers == [str(number).encode() for number in range(1, 21)]
    wait_until(lambda: connected() == 0)
    assert async_pools() == []
    assert pool.stats().created == 0


@pytest.mark.parametrize("name", ["gathers", "everything"])
def test_async_view_under_wsgi_uses_one_connection(client: Client, name: str) -> None:
    """gather(), child tasks and get_async_redis() are one lease there, too."""
    ids = client.get(f"/aredis/{name}/").json()["ids"]
    assert len(set(ids)) == 1


@pytest.mark.parametrize("name", ["raises", "dirty", "both", "many"])
def test_async_view_under_wsgi_leaves_nothing_taken(
    visitor: Client, pool: RedisPool, connected: Callable[[], int], name: str
) -> None:
    """However a view ends, its loop's connections end with it."""
    visitor.get(f"/aredis/{name}/")
    wait_until(lambda: connected() == pool.stats().idle)
    assert pool.stats().in_use == 0
    assert async_pools() == []


@pytest.mark.parametrize(
    "inside",
    [[ASYNC_ONLY], [SYNC_ONLY, ASYNC_ONLY], [ASYNC_ONLY, SYNC_ONLY]],
    ids=["async", "sync over async", "async over sync"],
)
@pytest.mark.parametrize("path", ["/aredis/hits/", "/hits/"])
def test_async_middleware_under_wsgi_is_in_the_requests_lease(
    client: Client, settings: Any, pool: RedisPool, path: str, inside: list[str]
) -> None:
    """Before and after the view it has the same connection."""
    settings.MIDDLEWARE = [OURS, *inside]
    assert client.get(path).content == b"1"
    assert len(Stage.seen) == 2
    assert len(set(Stage.seen)) == 1
    assert pool.stats().in_use == 0


def test_several_calls_from_a_sync_view_each_work(client: Client) -> None:
    """Each async_to_sync() under WSGI has a loop of its own, and a connection."""
    assert client.get("/aredis/from_sync/").json() == {"hits": [1, 2, 3]}


def test_both_doors_are_one_connection_in_each_loop_of_a_request(
    client: Client, settings: Any, url: str
) -> None:
    """request.aredis and get_async_redis() agree, also in the second loop, and the third."""
    settings.REDIS_POOLS = {"default": {"URL": url, "MAX_CONNECTIONS": 1, "TIMEOUT": PATIENCE}}
    ids = client.get("/aredis/from_sync_by_both_doors/").json()["ids"]
    assert [a == b for a, b in ids] == [True, True, True]


def test_sync_view_with_both_pools_gives_both_back(
    client: Client, pool: RedisPool, connected: Callable[[], int]
) -> None:
    """The threads' connection goes back to its pool, the loop's closes with the loop."""
    first, second = client.get("/aredis/from_sync_both_pools/").json()["ids"]
    assert first != second
    assert pool.stats().in_use == 0
    wait_until(lambda: connected() == 1)


@pytest.mark.parametrize("name", ["stream", "stream_begun", "from_sync_stream"])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous")
def test_async_body_under_wsgi_has_a_lease_in_its_loop(
    client: Client, connected: Callable[[], int], name: str
) -> None:
    """Django reads such a body in another loop than the view's: all of it is one connection."""
    ids = b"".join(client.get(f"/aredis/{name}/")).split()
    assert len(ids) == 3
    assert len(set(ids)) == 1
    wait_until(lambda: connected() == 0)


def test_server_down_under_wsgi_answers_503(
    client: Client, settings: Any, nobody_there: str
) -> None:
    """An async view there gets the same answer as a sync one."""
    settings.REDIS_POOLS = {"default": {"URL": nobody_there, "TIMEOUT": PATIENCE}}
    response = client.get("/aredis/hits/")
    assert response.status_code == 503
    assert int(response["Retry-After"]) >= 1


def test_no_number_of_loops_takes_more_connections(
    client: Client, connected: Callable[[], int], pool: RedisPool
) -> None:
    """Each call is answered, and the server never has more than MAX_CONNECTIONS."""
    for call in range(1, CALLS + 1):
        assert client.get("/aredis/hits/").content == str(call).encode()
        if call % 50 == 0:
            assert connected() <= MAX_CONNECTIONS
    assert async_pools() == []
    assert pool.stats().created == 0
