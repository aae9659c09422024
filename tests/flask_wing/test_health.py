"""`redis_pool_ext.flask.health.blueprint()`: the views, in an app."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask, Response

from redis_pool_ext import ConfigError
from redis_pool_ext.flask.health import blueprint
from tests.support.threads import wait_until

from ..support.served import get
from .support import RedisSessions, all_held, make_app, pool_of, redis_pool, serving


@pytest.fixture
def app(url: str) -> Flask:
    """An app on a pool of two, with the views."""
    app = make_app(url)
    app.register_blueprint(blueprint())
    return app


def two_pools(url: str, **config: Any) -> Flask:
    """Return an app with a second pool, to where nobody listens."""
    app = Flask("two")
    app.config["REDIS_POOLS"] = {"default": url, "reports": "redis://:s3cret@127.0.0.1:1/0"}
    app.config.update(config)
    redis_pool.init_app(app)
    return app


def test_process_is_alive(client):
    """Whatever its pools are like."""
    response = client.get("/health/live")
    assert (response.status_code, response.json) == (200, {"status": "alive"})
    assert response.headers["Cache-Control"] == "no-store"


def test_process_is_ready(client):
    """The server answers."""
    response = client.get("/health/ready")
    assert (response.status_code, response.json["pools"]) == (200, {"default": "ok"})


@pytest.mark.parametrize("path", ["/health/live/", "/health/ready/"])
def test_slash_at_the_end_is_as_good(client, path):
    """A probe follows no redirect, most likely."""
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_nothing_but_reading_is_allowed(client, path):
    """HEAD is reading."""
    assert client.head(path).status_code == 200
    assert client.post(path).status_code == 405


def test_config_says_what_is_asked_for(url):
    """As the same setting does in Django."""
    app = two_pools(url, REDIS_POOL_HEALTH={"POOLS": ["default"]})
    app.register_blueprint(blueprint())
    client = app.test_client()
    assert client.get("/health/ready").status_code == 200
    assert client.get("/health/ready?pools=reports").status_code == 503
    assert client.get("/health/ready?pools=reports&degraded=unreachable").status_code == 200
    assert client.get("/health/ready?pools=nothing").status_code == 400


def test_arguments_say_what_is_asked_for(url):
    """Two sets of views may ask for different things."""
    app = two_pools(url)
    app.register_blueprint(blueprint(pools=["default"], url_prefix="/a"))
    app.register_blueprint(blueprint("all", degraded=["unreachable"], url_prefix="/b"))
    client = app.test_client()
    assert client.get("/a/ready").json == {"status": "ready", "pools": {"default": "ok"}}
    assert client.get("/b/ready").json["status"] == "degraded"


def test_unready_is_503_without_a_password(url, caplog):
    """Aliases and states, nothing else."""
    app = two_pools(url)
    app.register_blueprint(blueprint())
    response = app.test_client().get("/health/ready")
    assert response.status_code == 503
    assert response.json["pools"] == {"default": "ok", "reports": "unreachable"}
    assert "s3cret" not in response.text + caplog.text


def test_wrong_argument_is_refused_at_once():
    """By its name."""
    with pytest.raises(ConfigError, match="'POLS' is not known"):
        blueprint(pols=["default"])


def test_wrong_config_is_refused_as_the_app_gets_the_views(app):
    """At start-up, and not with the first probe."""
    app.config["REDIS_POOL_HEALTH"] = {"DEGRADED": ["unreachabel"]}
    with pytest.raises(ConfigError, match="did you mean 'unreachable'"):
        app.register_blueprint(blueprint("again", url_prefix="/again"))


def test_probe_answers_under_a_real_server_while_requests_starve(app):
    """All connections out, a queue beside them: it is told at once, by status and word."""
    pool = pool_of(app)
    with serving(app) as port, all_held(app), ThreadPoolExecutor(4) as threads:
        pool.timeout = 20
        waiting = [threads.submit(get, port, "/hit") for _ in range(4)]
        wait_until(lambda: pool.stats().waiting == 4)
        status, body = get(port, "/health/ready")
        assert (status, '"default": "saturated"' in body) == (503, True)
        assert get(port, "/health/live")[0] == 200
        assert pool.stats().waiting == 4
        pool.resize(4)
        assert [one.result()[0] for one in waiting] == [200] * 4


def test_no_session_is_touched(app, client, pool):
    """One on the server would have to be saved there."""
    app.session_interface = sessions = RedisSessions()
    response: Response = client.get("/health/live")
    assert "Set-Cookie" not in response.headers
    assert (sessions.saves, pool.stats().acquired) == (1, 0)
