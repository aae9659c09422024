"""`REDIS_POOL_SERVER_TIMING`: the header in Flask, and nothing where it is off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, abort

from redis_pool_ext import ConfigError, get_pool, get_redis
from redis_pool_ext.flask import FlaskRedisPool, timing
from redis_pool_ext.observing import observers, remove_observer
from redis_pool_ext.web.server_timing import _clerk

from ..support.timings import timings
from .support import RedisSessions, all_held, make_app, pool_of


@pytest.fixture(autouse=True)
def _unobserved() -> Iterator[None]:
    """Leave no observer to the next test."""
    yield
    remove_observer(_clerk)


@pytest.fixture
def timed(url: str) -> Flask:
    """An app that has switched it on."""
    app = Flask("timed")
    app.config["REDIS_POOLS"] = {"default": {"URL": url, "MAX_CONNECTIONS": 2, "TIMEOUT": 20.0}}
    app.config["REDIS_POOL_SERVER_TIMING"] = True
    FlaskRedisPool(app)
    app.add_url_rule("/plain", "plain", lambda: "plain")
    app.add_url_rule("/hit", "hit", lambda: str(get_redis().incr("hits")))
    app.add_url_rule("/none", "none", lambda: abort(404))
    return app


def ask(app: Flask, path: str) -> tuple[Any, dict[str, float]]:
    response = app.test_client().get(path)
    return response, timings(response.headers["Server-Timing"])


def test_header_is_not_sent_by_default(url: str):
    """And nothing is wrapped for it, and nobody observes."""
    app = make_app(url)

    assert "Server-Timing" not in app.test_client().get("/hit").headers
    assert app.full_dispatch_request.__module__ != timing.__name__
    assert observers == []


def test_header_tells_the_dial_and_the_hold(timed: Flask):
    """In milliseconds."""
    _, found = ask(timed, "/hit")

    assert found["redis-pool"] >= pool_of(timed).stats().create_seconds * 1000
    assert found["redis-hold"] > 0


@pytest.mark.parametrize("path", ["/plain", "/none"])
def test_request_without_redis_has_waited_for_nothing(timed: Flask, path: str):
    """It says so, and makes no scope and no lease for it."""
    _, found = ask(timed, path)

    assert found == {"redis-pool": 0.0, "redis-hold": 0.0}
    assert pool_of(timed).stats().acquired == 0


def test_refused_request_tells_how_long_it_waited(timed: Flask):
    """The 503 has the header, too."""
    with all_held(timed):
        response, found = ask(timed, "/hit")

    assert response.status_code == 503
    assert found["redis-pool"] >= 100


def test_request_that_is_refused_outside_of_its_view_tells_it_too(timed: Flask):
    """A session that cannot be saved is answered where Flask knows 500 only."""
    timed.session_interface = RedisSessions()

    def visit() -> str:
        from flask import session

        session["visited"] = True
        return "ok"

    timed.add_url_rule("/visit", "visit", visit)
    with all_held(timed):
        response, found = ask(timed, "/visit")

    assert response.status_code == 503
    assert found["redis-pool"] >= 100


def test_header_is_appended_to_what_is_there(timed: Flask):
    """The app's own entries stay, and stand first."""

    @timed.after_request
    def also(response: Response) -> Response:
        response.headers["Server-Timing"] = "app;dur=1.5"
        return response

    response, found = ask(timed, "/hit")
    assert response.headers.getlist("Server-Timing") == [response.headers["Server-Timing"]]
    assert list(found) == ["app", "redis-pool", "redis-hold"]


@pytest.mark.parametrize("uses_redis_after", [False, True])
def test_request_in_a_request_has_its_own_times(timed: Flask, uses_redis_after: bool):
    """The outer one goes on with its own."""

    def outer() -> dict[str, float]:
        found = ask(timed, "/hit")[1]
        if uses_redis_after:
            pool = get_pool()  # the two requests share a lease: so one more connection
            pool.release(pool.get_connection())
        return found

    timed.add_url_rule("/outer", "outer", outer)
    response, found = ask(timed, "/outer")

    assert response.json["redis-pool"] > 0
    assert (found["redis-pool"] > 0) is uses_redis_after


def test_async_view_has_it(timed: Flask):
    """Its loop runs in the request's context."""
    pytest.importorskip("asgiref")

    async def hit() -> str:
        return str(get_redis().incr("hits"))

    timed.add_url_rule("/ahit", "ahit", hit)
    assert ask(timed, "/ahit")[1]["redis-pool"] > 0


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_what_is_no_yes_or_no_is_an_error(url: str, value: object):
    """It names the key, the value, and what to write."""
    app = Flask("wrong")
    app.config |= {"REDIS_POOLS": {"default": url}, "REDIS_POOL_SERVER_TIMING": value}

    with pytest.raises(ConfigError, match=r"app.config\['REDIS_POOL_SERVER_TIMING'\].*write True"):
        FlaskRedisPool(app)
    assert observers == []
