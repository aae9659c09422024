"""503 when there is no connection to be had: from everywhere, in time."""

from __future__ import annotations

import threading
from contextlib import suppress

from flask import Blueprint, Flask, render_template_string, session

from redis_pool_ext import PoolExhaustedError, get_redis
from redis_pool_ext.flask import current_redis

from ..support import TIMEOUT, RedisSessions, all_held, pool_of
from .answers import answered_in_time, assert_503


def test_exhausted_pool_in_a_view_is_answered_with_503(app, client, pool):
    """A view that finds no connection in time is a 503; afterwards all is as before."""
    with all_held(app), answered_in_time():
        assert_503(client.get("/hit"))
    assert client.get("/hit").text == "1"
    assert (pool.stats().in_use, pool.stats().timed_out) == (0, 1)


def test_view_without_redis_is_served_while_the_pool_is_exhausted(app, client, pool):
    """Who needs no connection does not notice."""
    with all_held(app):
        assert client.get("/plain").status_code == 200
        assert pool.stats().acquired == 0


def test_exhausted_pool_in_a_template_is_answered_with_503(app, client):
    """A template that asks Redis while it is rendered is part of the view."""
    app.jinja_env.globals["current_redis"] = current_redis
    app.add_url_rule(
        "/page", view_func=lambda: render_template_string("{{ current_redis.ping() }}")
    )
    with all_held(app), answered_in_time():
        assert_503(client.get("/page"))
    assert client.get("/page").text == "True"


def test_exhausted_pool_in_before_request_is_answered_with_503(app, client):
    """A hook before the view is covered like the view."""
    app.before_request(lambda: current_redis.ping() and None)
    with all_held(app), answered_in_time():
        assert_503(client.get("/plain"))
    assert client.get("/plain").text == "plain"


def test_exhausted_pool_while_the_session_opens_is_answered_with_503(app, client, pool):
    """Flask opens the session outside of its error handling; it is a 503 all the same."""
    app.session_interface = sessions = RedisSessions()
    client.set_cookie("sid", "1")
    with all_held(app), answered_in_time():
        assert_503(client.get("/plain"))
    assert sessions.saves == 0
    assert client.get("/plain").text == "plain"
    assert pool.stats().in_use == 0


def test_exhausted_pool_while_the_session_is_saved_is_answered_with_503(app, client, pool):
    """Saving is not tried a second time for the 503, which would wait again."""
    app.session_interface = sessions = RedisSessions()

    @app.get("/login")
    def login():
        session["user"] = "ann"
        return "ok"

    with all_held(app), answered_in_time():
        assert_503(client.get("/login"))
    assert sessions.saves == 1
    assert client.get("/login").status_code == 200
    assert pool.stats().in_use == 0


def test_exhausted_pool_in_after_request_is_answered_with_503(app, client):
    """An after_request function may fail, too; Flask logs that it did so again for the 503."""
    app.after_request(lambda response: get_redis().ping() and response)
    with all_held(app):
        assert_503(client.get("/plain"))
    assert client.get("/plain").status_code == 200


def test_after_request_functions_see_the_503_of_a_session(app, client):
    """The headers that a project adds to each response (CORS, say) are on this one, too."""
    app.session_interface = RedisSessions()
    client.set_cookie("sid", "1")

    @app.after_request
    def mark(response):
        response.headers["X-Seen"] = "yes"
        return response

    with all_held(app):
        assert client.get("/plain").headers["X-Seen"] == "yes"


def test_exhausted_pool_in_a_blueprint_is_answered_with_503(app, client):
    """A blueprint without handlers of its own answers as the app does."""
    blueprint = Blueprint("api", __name__)
    blueprint.add_url_rule("/api", view_func=lambda: str(current_redis.ping()))
    app.register_blueprint(blueprint)
    with all_held(app):
        assert_503(client.get("/api"))


def test_waiting_request_is_served_when_a_connection_comes_back(app, pool):
    """Within the timeout a request waits instead of failing."""
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(app.test_client().get("/hit").text))
    with pool.lease() as one, pool.lease() as two:
        one.ping(), two.ping()
        waiting.start()
        while not pool.stats().waiting:
            assert waiting.is_alive()
    waiting.join(20)
    assert answers == ["1"]


def test_request_that_goes_on_after_a_refusal_waits_no_second_time(app: Flask) -> None:
    """Four commands on a full pool cost one TIMEOUT, not four."""

    @app.get("/stubborn")
    def stubborn() -> str:
        for _ in range(3):
            with suppress(PoolExhaustedError):
                current_redis.incr("hits")
        return str(current_redis.incr("hits"))

    with all_held(app):
        assert_503(app.test_client().get("/stubborn"))
        stats = pool_of(app).stats()
    assert stats.wait_seconds < 2 * TIMEOUT
    assert stats.timed_out == 4
