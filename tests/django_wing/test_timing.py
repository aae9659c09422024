"""`REDIS_POOL_SERVER_TIMING`: the header, in each kind of request, and nothing where it is off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import AsyncClient, Client

from redis_pool_ext import RedisPool
from redis_pool_ext.django.middleware import RedisPoolMiddleware
from redis_pool_ext.observing import observers, remove_observer
from redis_pool_ext.web.server_timing import _clerk
from tests.support.threads import spawn, wait_until
from tests.support.timings import timings

from .asgi import MODES, OURS
from .conftest import TIMEOUT, Full

OTHERS = "tests.django_wing.project.middleware.times_itself"


@pytest.fixture(autouse=True)
def _unobserved() -> Iterator[None]:
    """Leave no observer to the next test."""
    yield
    remove_observer(_clerk)


@pytest.fixture
def timed(settings: Any) -> None:
    """The project has switched it on."""
    settings.REDIS_POOL_SERVER_TIMING = True


def test_header_is_not_sent_by_default(client: Client) -> None:
    """And nobody observes the pools."""
    assert "Server-Timing" not in client.get("/hits/").headers
    assert observers == []


def test_middleware_calls_what_it_was_given_where_it_is_off() -> None:
    """Nothing stands between them."""

    def get_response(_request: Any) -> HttpResponse:
        return HttpResponse()

    assert RedisPoolMiddleware(get_response).get_response is get_response


@pytest.mark.usefixtures("timed")
def test_header_tells_the_dial_and_the_hold(client: Client, pool: RedisPool) -> None:
    """It waited for the dial, and has held the connection for a while, all within its time."""
    began = monotonic()
    first = timings(client.get("/hits/").headers["Server-Timing"])
    took = (monotonic() - began) * 1000

    assert first.keys() == {"redis-pool", "redis-hold"}
    assert pool.stats().create_seconds * 1000 <= first["redis-pool"] < took
    assert 0 < first["redis-hold"] < took


@pytest.mark.usefixtures("timed")
def test_request_without_redis_has_waited_for_nothing(client: Client, pool: RedisPool) -> None:
    """It says so, and takes no connection for it."""
    said = client.get("/quiet/").headers["Server-Timing"]
    assert timings(said) == {"redis-pool": 0.0, "redis-hold": 0.0}
    assert pool.stats().acquired == 0


@pytest.mark.usefixtures("timed")
def test_refused_request_tells_how_long_it_waited(full: Full, client: Client) -> None:
    """The 503 has the header, too."""
    with full():
        response = client.get("/hits/")
    found = timings(response.headers["Server-Timing"])
    assert response.status_code == 503
    assert found["redis-pool"] >= TIMEOUT * 1000
    assert found["redis-hold"] == 0.0


@pytest.mark.usefixtures("timed")
def test_each_request_has_its_own_wait(full: Full, pool: RedisPool) -> None:
    """One waits in the queue; those at the same time that need no Redis do not."""
    pool.timeout = 20.0
    with full() as stack:
        waiting = spawn(lambda: Client().get("/hits/"))
        wait_until(lambda: pool.stats().waiting == 1)
        quiet = Client().get("/quiet/")
        stack.close()
    waited = timings(waiting.result().headers["Server-Timing"])
    assert waited["redis-pool"] >= pool.stats().wait_seconds_max * 999 > 0
    assert timings(quiet.headers["Server-Timing"])["redis-pool"] == 0.0


@pytest.mark.usefixtures("timed")
def test_header_is_appended_to_what_is_there(settings: Any, client: Client) -> None:
    """Another middleware's entries stay, and stand first."""
    settings.MIDDLEWARE = [OURS, OTHERS]
    said = client.get("/hits/").headers["Server-Timing"]
    assert said.startswith("app;dur=1.5, redis-pool;dur=")
    assert list(timings(said)) == ["app", "redis-pool", "redis-hold"]


@pytest.mark.usefixtures("timed")
def test_connection_that_was_given_back_early_counts_as_held(
    settings: Any, client: Client, url: str
) -> None:
    """Where each command borrows, the sum is that of all of them."""
    settings.REDIS_POOLS = {"default": {"URL": url, "HOLD": "command"}}
    assert timings(client.get("/hits/").headers["Server-Timing"])["redis-hold"] > 0.0


@MODES
@pytest.mark.usefixtures("timed")
@pytest.mark.parametrize("path", ["/aredis/hits/", "/hits/", "/async_hits/", "/aredis/gathers/"])
def test_header_is_sent_under_asgi(settings: Any, path: str, inside: list[str]) -> None:
    """Sync or async views, tasks and threads of theirs: the wait is the request's."""
    settings.MIDDLEWARE = [OURS, *inside]

    async def main() -> Any:
        return await AsyncClient().get(path)

    found = timings(asyncio.run(main()).headers["Server-Timing"])
    assert found["redis-pool"] > 0
    assert found["redis-hold"] > 0


@pytest.mark.usefixtures("timed")
def test_streaming_response_has_it_before_its_body(client: Client) -> None:
    """What it has waited for up to then."""
    response: Any = client.get("/stream/")
    assert "redis-pool" in timings(response.headers["Server-Timing"])
    assert b"".join(response.streaming_content)


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_what_is_no_yes_or_no_is_an_error(
    settings: Any, value: object, client: Callable[..., Any]
) -> None:
    """It names the setting, the value, and what to write."""
    settings.REDIS_POOL_SERVER_TIMING = value
    with pytest.raises(ImproperlyConfigured, match=r"REDIS_POOL_SERVER_TIMING: .*write True"):
        RedisPoolMiddleware(lambda _request: HttpResponse())
    assert observers == []
