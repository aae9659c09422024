"""docs/comparison.md: what it says of Flask-Caching."""

from __future__ import annotations

from flask import Flask
from flask_caching import Cache


def test_full_pool_of_flask_caching_is_a_500(url: str) -> None:
    """Its own backend, on a pool of one connection."""
    app = Flask("shop")
    options = {"max_connections": 1}
    app.config.update(CACHE_TYPE="RedisCache", CACHE_REDIS_URL=url, CACHE_OPTIONS=options)
    cache = Cache(app)
    app.add_url_rule("/", view_func=lambda: str(cache.get("visits")))
    assert app.test_client().get("/").status_code == 200

    pool = cache.cache._write_client.connection_pool
    taken = pool.get_connection()
    assert app.test_client().get("/").status_code == 500
    pool.release(taken)
