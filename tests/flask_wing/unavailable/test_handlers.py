"""Whose 503 it is: the project's own handlers come first."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from redis_pool_ext import (
    BudgetExceededError,
    ConnectionPoolTimeoutError,
    PoolClosedError,
    PoolExhaustedError,
    PoolUnavailableError,
    RedisPoolError,
)
from redis_pool_ext.flask import FlaskRedisPool, current_redis

from ..support import RedisSessions, all_held, make_app
from .answers import assert_503

HANDLED = [
    RedisPoolError,
    PoolExhaustedError,
    ConnectionPoolTimeoutError,
    503,
    ServiceUnavailable,
    HTTPException,
]


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("handled", HANDLED)
@pytest.mark.parametrize("where", ["view", "session"])
def test_handler_of_the_project_wins(url, handled, early, where):
    """A handler for our errors or for 503 answers, registered before or after init_app."""

    def mine(_error: Exception) -> tuple[str, int]:
        return "mine", 503

    app = Flask("shop")
    app.config["REDIS_POOLS"] = {"default": f"{url}?max_connections=2"}
    if early:
        app.register_error_handler(handled, mine)
    FlaskRedisPool(app)
    if not early:
        app.register_error_handler(handled, mine)
    app.add_url_rule("/hit", view_func=lambda: str(current_redis.incr("hits")))
    if where == "session":
        app.session_interface = RedisSessions()
    client = app.test_client()
    client.set_cookie("sid", "1")
    with all_held(app):
        response = client.get("/hit")
    assert (response.status_code, response.text) == (503, "mine")


@pytest.mark.parametrize("handled", HANDLED)
def test_handler_of_a_blueprint_wins_in_its_views(app, client, handled):
    """A blueprint answers for its own views, the app for the rest."""
    blueprint = Blueprint("api", __name__)
    blueprint.add_url_rule("/api", view_func=lambda: str(current_redis.ping()))
    blueprint.register_error_handler(handled, lambda _error: ("blueprint", 503))
    app.register_blueprint(blueprint)
    with all_held(app):
        assert client.get("/api").text == "blueprint"
        assert client.get("/hit").text != "blueprint"


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
def test_handler_for_any_exception_does_not_swallow_the_503(url, early):
    """A project's page for unexpected errors is not for this one."""
    app = Flask("shop")
    app.config["REDIS_POOLS"] = {"default": f"{url}?max_connections=1"}
    if early:
        app.register_error_handler(Exception, lambda _error: ("oops", 500))
    FlaskRedisPool(app)
    if not early:
        app.register_error_handler(Exception, lambda _error: ("oops", 500))
    app.add_url_rule("/hit", view_func=lambda: str(current_redis.incr("hits")))
    with all_held(app):
        assert_503(app.test_client().get("/hit"))


def test_page_of_the_project_gets_the_error_and_the_headers(app, client):
    """The handler for 503 finds the pool's error; what it does not set is added."""
    seen: list[ServiceUnavailable] = []

    @app.errorhandler(503)
    def page(error):
        seen.append(error)
        return "<h1>Busy</h1>", 503

    with all_held(app):
        response = client.get("/hit")
    assert_503(response)
    assert response.text == "<h1>Busy</h1>"
    assert isinstance(seen[0].original_exception, ConnectionPoolTimeoutError)
    assert seen[0].__cause__ is seen[0].original_exception
    assert seen[0].retry_after == int(response.headers["Retry-After"])


def test_headers_of_the_project_are_kept(app, client):
    """Retry-After and Cache-Control are added, not replaced."""

    @app.errorhandler(503)
    def page(_error):
        return "later", 503, {"Retry-After": "77", "Cache-Control": "no-cache"}

    with all_held(app):
        headers = client.get("/hit").headers
    assert (headers["Retry-After"], headers["Cache-Control"]) == ("77", "no-cache")


def test_page_that_returns_the_exception_is_a_503(app, client):
    """`return error` is Flask's way to say: the usual page of this status."""
    app.register_error_handler(503, lambda error: error)
    with all_held(app):
        response = client.get("/hit")
    assert_503(response)
    assert "<title>503 Service Unavailable</title>" in response.text


@pytest.mark.parametrize(("handled", "runs"), [(503, 1), (RedisPoolError, 2)])
def test_page_that_needs_redis_itself_falls_back_to_the_built_in_one(app, client, handled, runs):
    """A 503 page whose template asks the exhausted pool does not make it a 500."""
    seen: list[Exception] = []

    @app.errorhandler(handled)
    def page(error):
        seen.append(error)
        return str(current_redis.ping()), 503

    with all_held(app):
        response = client.get("/hit")
    assert_503(response)
    assert response.text.startswith("Service temporarily unavailable")
    assert len(seen) == runs


def test_async_handler_of_the_project_is_awaited(app, client):
    """Handlers may be async, as elsewhere in Flask."""
    pytest.importorskip("asgiref", reason="flask[async]")

    async def mine(_error: Exception) -> tuple[str, int]:
        return "mine", 503

    app.register_error_handler(RedisPoolError, mine)
    with all_held(app):
        assert client.get("/hit").text == "mine"


def test_set_up_registers_what_is_a_503_and_nothing_else():
    """The three outages and a spent budget, and only they."""
    app = make_app("redis://localhost")
    handlers = app.error_handler_spec[None][None]
    assert set(handlers) == {
        PoolExhaustedError,
        PoolUnavailableError,
        PoolClosedError,
        BudgetExceededError,
    }
