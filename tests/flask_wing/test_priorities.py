"""Priorities and RESERVED, as visitors of a Flask app meet them."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from redis_pool_ext.flask import FlaskRedisPool, redis_required

from ..support.priorities import Counter, MakeSite, PriorityCase, Site
from .support import pool_of


@pytest.fixture
def make_site(url: str) -> MakeSite:
    def make(**pool: Any) -> Site:
        app, counter = Flask("shop"), Counter()
        app.config["REDIS_POOLS"] = {"default": {"URL": url, "TIMEOUT": 20, **pool}}
        FlaskRedisPool(app)

        @app.get("/login")
        @redis_required(priority="high")
        def login() -> str:
            return counter.serve("login")

        @app.get("/report")
        @redis_required(priority="low")
        def report() -> str:
            return counter.serve("report")

        return Site(pool_of(app), lambda path: app.test_client().get(path).status_code, counter)

    return make


class TestPriorities(PriorityCase):
    """Of views in threads."""
