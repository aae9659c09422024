"""A request within a request, and one that has opened its session before it began."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, g

from redis_pool_ext import Priority, get_redis
from redis_pool_ext.flask import current_redis, redis_optional, redis_required
from redis_pool_ext.scope import current_scope

from .kinds import make, visit
from .support import RedisSessions


def terms() -> Any:
    """Return what holds right here: the budget itself, its seconds, the priority, the name."""
    scope: Any = current_scope()
    lease: Any = get_redis().connection_pool
    seconds = None if scope.budget is None else scope.budget.seconds
    assert (lease.budget, lease.priority) == (scope.budget, scope.priority)
    return scope.budget, seconds, scope.priority, str(lease.holder)


@pytest.mark.parametrize("budget", [None, 5])
def test_request_within_a_request_leaves_it_its_terms(url: str, budget: float | None):
    """What the inner view says holds to the inner one's end."""
    app = make(url, REDIS_POOL_BUDGET=budget)
    seen: list[Any] = []

    @app.get("/inner")
    @redis_required(priority="low", budget=0.7)
    def inner() -> str:
        seen.append(terms())
        return ""

    @app.get("/")
    @redis_required(priority="high")
    def outer() -> str:
        seen.append(terms())
        assert visit(app, "/inner").status_code == 200
        seen.append(terms())
        return ""

    assert visit(app).status_code == 200
    before, within, after = seen
    assert within[1:] == (0.7, Priority.LOW, "GET / (outer)")
    assert before == after
    assert after[1:] == (budget, Priority.HIGH, "GET / (outer)")


def test_request_within_a_request_leaves_it_its_client(down: Flask):
    """They share a `g`, and the outer view goes on without Redis as before."""

    @down.get("/inner")
    @redis_optional(default="inner")
    def inner() -> Any:
        return g.redis.get("k")

    @down.get("/plain")
    def plain() -> str:
        return str(g.redis.is_degraded)

    @down.get("/")
    @redis_optional(default="outer")
    def outer() -> str:
        said = [visit(down, path).text for path in ("/inner", "/plain")]
        return " ".join([*said, g.redis.get("k"), current_redis.get("k")])

    assert visit(down).text == "inner False outer outer"


def test_session_is_opened_on_the_budget_of_its_request(url: str):
    """What that has spent is not given back when the view begins."""
    app = make(url, REDIS_POOL_BUDGET=2)
    seen: list[Any] = []

    class Sessions(RedisSessions):
        def open_session(self, app: Flask, request: Any) -> Any:
            seen.append(terms())
            return super().open_session(app, request)

    app.session_interface = Sessions()

    @app.get("/")
    def view() -> str:
        seen.append(terms())
        return ""

    visit(app)
    visit(app)
    first, first_view, second, second_view = seen
    assert first[0] is first_view[0] is not None
    assert second[0] is second_view[0] is not first[0]
