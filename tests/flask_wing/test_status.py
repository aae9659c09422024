"""The status page in Flask: only where the app passes a guard."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, redirect, request, session

from redis_pool_ext.flask.status import blueprint
from redis_pool_ext.status.page import PATHS

from .support import RedisSessions, all_held, make_app

HERE = "/redis-pool/"


def with_page(app: Flask, guard: Any) -> Any:
    """Register the page with `guard`; return a client."""
    app.register_blueprint(blueprint(guard=guard))
    return app.test_client()


@pytest.mark.parametrize("path", PATHS)
def test_visitor_whom_the_guard_lets_in_sees_everything(app, path: str):
    """The page, its files and its numbers."""
    response = with_page(app, lambda: True).get(HERE + path)

    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("verdict", [False, None])
def test_visitor_whom_the_guard_refuses_gets_nothing(app, verdict: Any, path: str):
    """403, at each path; a guard that forgets to return lets nobody in."""
    response = with_page(app, lambda: verdict).get(HERE + path)

    assert response.status_code == 403
    assert b"status.js" not in response.data
    assert b"pools" not in response.data


def test_guard_may_answer_itself(app):
    """It returns what a view may, the way to a login for instance."""
    response = with_page(app, lambda: redirect("/login")).get(HERE)

    assert (response.status_code, response.headers["Location"]) == (302, "/login")


def test_guard_sees_the_request(app):
    """It is called in it."""
    client = with_page(app, lambda: request.headers.get("X-Key") == "mine")

    assert client.get(HERE).status_code == 403
    assert client.get(HERE, headers={"X-Key": "mine"}).status_code == 200


def test_guard_may_be_a_coroutine_function(app):
    """It is awaited: what it would be without that is true by accident."""
    pytest.importorskip("asgiref")

    async def guard() -> bool:
        return request.headers.get("X-Key") == "mine"

    client = with_page(app, guard)
    assert client.get(HERE).status_code == 403
    assert client.get(HERE, headers={"X-Key": "mine"}).status_code == 200


@pytest.mark.parametrize("verdict", [1, object()])
def test_guard_that_returns_something_else_lets_nobody_in(app, verdict: Any):
    """What is true by accident is an error."""
    assert with_page(app, lambda: verdict).get(HERE).status_code == 500


def test_blueprint_without_a_guard_is_an_error_as_it_is_made():
    """Nobody gets an open page by forgetting something."""
    with pytest.raises(TypeError, match="guard"):
        blueprint()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"guard=True.*a function that returns whether"):
        blueprint(guard=True)  # type: ignore[arg-type]


def test_page_takes_no_connection(app, pool):
    """It comes up while somebody else holds all of them."""
    client = with_page(app, lambda: True)

    with all_held(app):
        assert [client.get(HERE + path).status_code for path in PATHS] == [200] * len(PATHS)
    assert pool.stats().acquired == 0


def test_guard_that_asks_the_full_pool_is_a_503(app):
    """Who has to be asked for in Redis has to wait for it, as everywhere."""
    app.session_interface = RedisSessions()
    client = with_page(app, lambda: "name" in session)
    client.set_cookie("sid", "somebody")

    with all_held(app):
        assert client.get(HERE).status_code == 503


def test_pool_that_nobody_has_used_yet_is_shown(url):
    """With its settings, and without a connection."""
    client = with_page(make_app(url), lambda: True)

    (pool,) = client.get(HERE + "status.json").json["pools"]
    assert (pool["stats"]["created"], pool["settings"]["max_connections"]) == (0, 2)


def test_page_stands_where_the_app_puts_it(app):
    """A prefix of the app's own, and a second blueprint under another name."""
    app.register_blueprint(blueprint(guard=lambda: True), url_prefix="/ops/pool")
    app.register_blueprint(blueprint(guard=lambda: False, name="closed"), url_prefix="/closed")

    assert app.test_client().get("/ops/pool/").status_code == 200
    assert app.test_client().get("/closed/").status_code == 403
