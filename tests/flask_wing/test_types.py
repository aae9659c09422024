"""What type checkers take the client for."""

from __future__ import annotations

from typing import get_type_hints

from flask import Flask, g

from redis_pool_ext.flask import current_redis, proxy


def test_client_is_what_it_is_annotated_as(app: Flask) -> None:
    """In a context, before its first command and after."""
    annotated = get_type_hints(proxy)["current_redis"]

    with app.app_context():
        assert isinstance(current_redis, annotated)
        assert current_redis.ping()
        assert isinstance(g.redis, annotated)
