"""A Flask application of one view, once for each contender, as its documentation sets it up.

Each view is written out as its users write it: what it looks up per command is part of
what is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from flask import Flask, g

from .data import KEYS

__all__ = ["SITES", "application"]

View = Callable[[int], bytes]


def application(site: str, url: str) -> Flask:
    """Return the WSGI application of a site, on the Redis at `url`."""
    app = Flask(__name__)
    app.add_url_rule("/<int:gets>", view_func=SITES[site](app, url))
    return app


def _pool(app: Flask, url: str) -> View:
    from redis_pool_ext.flask import FlaskRedisPool, current_redis

    app.config["REDIS_POOLS"] = {"default": url}
    FlaskRedisPool(app)
    client: Any = current_redis

    def view(gets: int) -> bytes:
        return b"".join([client.get(key) for key in KEYS[:gets]])

    return view


def _pool_on_g(app: Flask, url: str) -> View:
    from redis_pool_ext.flask import FlaskRedisPool

    app.config["REDIS_POOLS"] = {"default": url}
    FlaskRedisPool(app)

    def view(gets: int) -> bytes:
        return b"".join([g.redis.get(key) for key in KEYS[:gets]])

    return view


def _redis_py(_app: Flask, url: str) -> View:
    client: Any = redis.Redis.from_url(url)

    def view(gets: int) -> bytes:
        return b"".join([client.get(key) for key in KEYS[:gets]])

    return view


def _flask_redis(app: Flask, url: str) -> View:
    from flask_redis import FlaskRedis  # type: ignore[import,unused-ignore]

    app.config["REDIS_URL"] = url
    client = FlaskRedis(app)

    def view(gets: int) -> bytes:
        return b"".join([client.get(key) for key in KEYS[:gets]])

    return view


def _nothing(_app: Flask, _url: str) -> View:
    def view(gets: int) -> bytes:
        return b""

    return view


# By name; each sets the app up and returns the view.
SITES: dict[str, Callable[[Flask, str], View]] = {
    "redis_pool_ext": _pool,
    "redis_pool_ext, g.redis": _pool_on_g,
    "redis-py": _redis_py,
    "flask-redis": _flask_redis,
    "no Redis": _nothing,
}
