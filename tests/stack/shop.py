"""A Flask application with all that keeps its data in Redis, on one pool; and who looks at it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from flask import Flask, Response, g, session, stream_with_context
from flask.testing import FlaskClient
from flask_caching import Cache
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_session import Session

from redis_pool_ext import RedisPool
from redis_pool_ext.flask import FlaskRedisPool, current_redis
from redis_pool_ext.testing import Block, exhausted_pool
from tests.support.threads import spawn

NAME = "shop"  # of its connections, on the server

redis_pool = FlaskRedisPool()
cache = Cache()
limiter = Limiter(get_remote_address)


def make_shop(url: str, *, max_connections: int = 2, timeout: float = 20.0) -> Flask:
    """Return the application, with each extension set up by the line that the page gives."""
    app = Flask("shop")
    app.config["REDIS_POOLS"] = {
        "default": {
            "URL": url,
            "MAX_CONNECTIONS": max_connections,
            "TIMEOUT": timeout,
            "OPTIONS": {"client_name": NAME},
        }
    }
    redis_pool.init_app(app)

    app.config["SESSION_TYPE"] = "redis"
    app.config["SESSION_REDIS"] = redis_pool.client
    Session(app)

    app.config["CACHE_TYPE"] = "RedisCache"
    app.config["CACHE_REDIS_HOST"] = redis_pool.client
    cache.init_app(app)

    app.config["RATELIMIT_STORAGE_URI"] = "redis://"
    app.config["RATELIMIT_STORAGE_OPTIONS"] = {"connection_pool": redis_pool.client.connection_pool}
    app.config["RATELIMIT_DEFAULT"] = "1000000 per hour"
    app.config["RATELIMIT_HEADERS_ENABLED"] = True
    with app.app_context():  # the tests have several apps, with pools of their own
        limiter.init_app(app)

    add_views(app)
    return app


def add_views(app: Flask) -> None:
    @app.get("/")
    def index() -> dict[str, Any]:
        session["visits"] = session.get("visits", 0) + 1
        g.redis.incr("hits")
        return {
            "visits": session["visits"],
            "hits": int(current_redis.get("hits")),
            "price": price(),
            "in_use": redis_pool.pool.stats().in_use,
        }

    @app.get("/quiet")
    @limiter.exempt
    def quiet() -> str:
        return "quiet"

    @app.get("/stream")
    def stream() -> Response:
        def body() -> Iterator[str]:
            yield f"{session['visits']} "
            yield f"{price()} "
            yield f"{current_redis.client_id()}"

        session["visits"] = session.get("visits", 0) + 1
        return Response(stream_with_context(body()))

    @app.get("/limited")
    @limiter.limit("1 per hour")
    def limited() -> str:
        return "once"


@cache.memoize(60)
def price() -> int:
    return 42


def pool_of(app: Flask) -> RedisPool:
    with app.app_context():
        return redis_pool.pool


def visitor_of(app: Flask) -> FlaskClient:
    """Return a visitor who has a session already, so that his next request begins with it."""
    visitor = app.test_client()
    assert visitor.get("/").status_code == 200
    return visitor


def all_held(app: Flask, patience: float = 0.1) -> Block[None]:
    """Hold every connection of the app's pool; others wait for `patience` seconds only."""
    return exhausted_pool(pool_of(app).alias, timeout=patience)


@contextmanager
def monitored(admin: redis.Redis) -> Iterator[list[tuple[str, str]]]:
    """Collect (who, which command) of all that reaches the server in this block."""
    heard: list[tuple[str, str]] = []
    with admin.monitor() as monitor:
        admin.ping()  # it has one connection more from here on
        yield heard
        admin.echo("the end")
        for said in monitor.listen():
            if said["command"] == "ECHO the end":
                return
            if said["command"] == "PING":
                heard.clear()
            elif said["client_type"] != "lua":
                heard.append((said["client_port"], said["command"].partition(" ")[0]))


class Watch:
    """Asks the server again and again who is connected, from a connection that does not count.

    `peak` is the largest number of others at once, `names` those by their client name. Whoever
    was there before is somebody else's.
    """

    def __init__(self, admin: redis.Redis) -> None:
        self._admin = admin
        self._before: set[str] = set()
        self._is_over = threading.Event()
        self.looks = self.peak = 0
        self.names: dict[str, int] = {}

    def _look(self) -> None:
        while not self._is_over.is_set():
            clients = self._admin.client_list()
            others = [one["name"] for one in clients if one["id"] not in self._before]
            self.looks += 1
            self.peak = max(self.peak, len(others))
            for name in set(others):
                self.names[name] = max(self.names.get(name, 0), others.count(name))

    def __enter__(self) -> Watch:
        self._before = {one["id"] for one in self._admin.client_list()}
        self._thread = spawn(self._look)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._is_over.set()
        self._thread.result()
