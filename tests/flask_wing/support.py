"""What the tests of the Flask wing share."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
from flask import Flask
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.serving import make_server
from werkzeug.wsgi import ClosingIterator

from redis_pool_ext import RedisPool, get_redis
from redis_pool_ext.flask import FlaskRedisPool
from redis_pool_ext.testing import Block, exhausted_pool

from ..support.served import running

TIMEOUT = 0.1  # of an exhausted pool; others wait long enough for a slow machine's dial

redis_pool = FlaskRedisPool()  # one object for all the apps, as in a user's extensions.py


def make_app(
    url: str, name: str = "shop", *, timeout: float = 20.0, options: dict[str, Any] | None = None
) -> Flask:
    """Return an app on a pool of two connections, with one view that needs none."""
    app = Flask(name)
    entry = {"URL": url, "MAX_CONNECTIONS": 2, "TIMEOUT": timeout, "OPTIONS": options or {}}
    app.config["REDIS_POOLS"] = {"default": entry}
    redis_pool.init_app(app)
    app.add_url_rule("/plain", view_func=lambda: "plain", endpoint="plain")
    app.add_url_rule("/hit", view_func=lambda: str(get_redis().incr("hits")), endpoint="hit")
    return app


def pool_of(app: Flask) -> RedisPool:
    """Return the app's default pool."""
    with app.app_context():
        return redis_pool.pool


def all_held(app: Flask) -> Block[None]:
    """Hold every connection of the app's pool, and let others wait for `TIMEOUT` only."""
    return exhausted_pool(pool_of(app).alias, timeout=TIMEOUT)


def in_thread(function: Callable[[], Any]) -> Any:
    """Run `function` in a thread of its own and return what it returns."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join(20)
    return results[0]


def announce_close(app: Flask) -> threading.Event:
    """Return an event that is set when the server has closed a response of `app`."""
    closed = threading.Event()
    inner = app.wsgi_app

    def wsgi_app(environ: Any, start_response: Any) -> Any:
        return ClosingIterator(inner(environ, start_response), closed.set)

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]
    return closed


def named(admin: redis.Redis, name: str) -> set[str]:
    """Return the ids of the server's connections that carry this client name."""
    return {client["id"] for client in admin.client_list() if client["name"] == name}


class RedisSession(dict[str, Any], SessionMixin):
    """A session's data; `sid` is where it is stored."""

    sid = ""


class RedisSessions(SessionInterface):
    """Server-side sessions, as small as they come; counts how often it saves."""

    def __init__(self) -> None:
        self.saves = 0

    def open_session(self, app: Flask, request: Any) -> RedisSession:
        """Load the session named by the cookie, or begin one without asking Redis."""
        sid = request.cookies.get("sid")
        data = get_redis().get(f"session:{sid}") if sid else None
        session = RedisSession(json.loads(data) if data else {})
        session.sid = sid or uuid.uuid4().hex
        return session

    def save_session(self, app: Flask, session: Any, response: Any) -> None:
        """Store what is in the session."""
        self.saves += 1
        if session:
            get_redis().set(f"session:{session.sid}", json.dumps(session))
            response.set_cookie("sid", session.sid)


@contextmanager
def serving(app: Flask) -> Iterator[int]:
    """Serve `app`, a thread per request; yields the port."""
    with running(make_server("127.0.0.1", 0, app, threaded=True)) as port:
        yield port
