"""A request with a budget against a server that stalls ends in time, whatever its view calls."""

from __future__ import annotations

import pytest
from flask import Flask, g

from redis_pool_ext.flask import FlaskRedisPool

from ..budget.calls import CALLS as VIEWS
from ..support.budgeted import BUDGET, CALLS, assert_ends_in_time, stalled
from ..support.server import Server
from .support import pool_of

__all__ = ["stalled"]

pytestmark = pytest.mark.alone


@pytest.mark.parametrize("call", CALLS)
def test_view_ends_with_its_budget(stalled: Server, call: str) -> None:
    """With a 503: `REDIS_POOL_BUDGET` is a request's, whatever it calls."""
    app = Flask("shop")
    app.config["REDIS_POOLS"] = {"default": {"URL": stalled.url, "TIMEOUT": 5.0}}
    app.config["REDIS_POOL_BUDGET"] = BUDGET
    FlaskRedisPool(app)
    app.add_url_rule("/<name>", "call", lambda name: str(VIEWS[name](g.redis)))

    assert_ends_in_time(
        stalled, pool_of(app), lambda name: app.test_client().get(f"/{name}").status_code, call
    )
