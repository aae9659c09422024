"""Views of all kinds, decorated as Flask has it; `runs` notes that one has run."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, g
from flask.views import MethodView, View

from redis_pool_ext import RedisPool, get_pool
from redis_pool_ext.flask import FlaskRedisPool, current_redis

runs: list[str] = []


def make(url: str, **config: Any) -> Flask:
    """Return an app with two pools of one connection each."""
    app = Flask("shop")
    entry = {"URL": url, "MAX_CONNECTIONS": 1, "TIMEOUT": 20, "OPTIONS": {"decode_responses": True}}
    app.config["REDIS_POOLS"] = {"default": entry, "reports": entry}
    app.config.update(config)
    app.extensions["pool"] = FlaskRedisPool(app)
    return app


def reads() -> str:
    runs.append("view")
    assert g.redis.is_degraded == current_redis.is_degraded  # type: ignore[attr-defined]
    return f"{current_redis.get('k')} {g.redis.get('k')} {g.redis.is_degraded}"


async def areads() -> str:
    return reads()


def idles() -> str:
    """Run without a command."""
    runs.append("view")
    return ""


async def aidles() -> str:
    return idles()


class ByClass(View):
    def dispatch_request(self) -> str:
        return idles()


class ByMethod(MethodView):
    def get(self) -> str:
        return idles()


class ByAsyncMethod(MethodView):
    async def get(self) -> str:
        return idles()


def of_class(kind: type[View], decorator: Any) -> Any:
    """Return a view of a class that is decorated as Flask has it."""
    return type(kind.__name__, (kind,), {"decorators": (decorator,)}).as_view("view")  # type: ignore[attr-defined]


def of_method(decorator: Any) -> Any:
    return type("Mixed", (MethodView,), {"get": decorator(ByMethod.get)}).as_view("view")  # type: ignore[attr-defined]


KINDS = {
    "function": lambda decorator: decorator(idles),
    "coroutine": lambda decorator: decorator(aidles),
    "class": lambda decorator: of_class(ByClass, decorator),
    "class of methods": lambda decorator: of_class(ByMethod, decorator),
    "class of coroutines": lambda decorator: of_class(ByAsyncMethod, decorator),
    "method": of_method,
}
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


def ask(app: Flask, view: Any, path: str = "/") -> Any:
    """Add a view, and visit it."""
    app.add_url_rule("/", "view", view)
    return visit(app, path)


def visit(app: Flask, path: str = "/") -> Any:
    return app.test_client().get(path)


def reports(app: Flask) -> RedisPool:
    with app.app_context():
        return get_pool("reports")
