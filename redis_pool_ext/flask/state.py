"""What the extension keeps per app, and how to find it from inside an app context."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from flask import Flask, has_app_context
from flask.ctx import AppContext
from flask.globals import app_ctx

from ..config import PoolConfig
from ..pool import RedisPool
from ..process import pool_for
from ..web.request_policy import RequestPolicy

__all__ = [
    "EXTENSION",
    "AppState",
    "configs_of_current_app",
    "find_state",
    "find_state_and_g",
    "state_of_current_app",
]

# Not "redis": flask-redis has that one.
EXTENSION = "redis_pool_ext"

_OUTSIDE = """\
Working outside of application context.

There is no app here whose Redis this could be. Inside a request, a CLI command or
`with app.app_context():` it works. Elsewhere (tasks, threads, plain programs) use
redis_pool_ext.get_redis(), or redis_pool_ext.lease_scope() to hold one connection.\
"""
_NOT_INITIALISED = """\
The current Flask app has no Redis pool. Did you forget init_app? Call
redis_pool.init_app(app) once, on the FlaskRedisPool that your module made.\
"""


@dataclass(frozen=True, slots=True)
class AppState:
    """One app's pools and requests, as its config has them, and what its contexts are called.

    Lives in `app.extensions`, so one `FlaskRedisPool` can serve several apps.
    """

    configs: Mapping[str, PoolConfig]
    label: str
    find_default: Callable[[], RedisPool] | None  # the pool "default", where there is one
    requests: RequestPolicy

    @classmethod
    def of(cls, app: Flask, configs: Mapping[str, PoolConfig]) -> Self:
        """Return the state of an app with these pools. Raises `ConfigError`."""
        default = configs.get("default")
        find_default = None if default is None else partial(pool_for, default)
        requests = RequestPolicy.read(app.config.get, lambda name: f"app.config[{name!r}]")
        return cls(configs, f"an app context of {app.name}", find_default, requests)


def state_of_current_app() -> AppState:
    """Return the current app's state.

    Raises `RuntimeError` outside of an app context, and for an app without `init_app`.
    """
    state = find_state()
    if state is None:
        raise RuntimeError(_NOT_INITIALISED if has_app_context() else _OUTSIDE)
    return state


def configs_of_current_app() -> Mapping[str, PoolConfig] | None:
    """Return the current app's own pools; None where there are none to be asked for."""
    state = find_state()
    return None if state is None else state.configs


def find_state() -> AppState | None:
    """Return the current app's state; None outside of an app context, and without `init_app`."""
    if not has_app_context():
        return None
    context: AppContext = app_ctx._get_current_object()  # type: ignore[attr-defined]  # the proxy is slow
    return context.app.extensions.get(EXTENSION)


def find_state_and_g() -> tuple[AppState | None, dict[str, Any]]:
    """Return what `find_state` does, and what is on `g`, in the time of one look."""
    if not has_app_context():
        return None, {}
    context: AppContext = app_ctx._get_current_object()  # type: ignore[attr-defined]  # the proxy is slow
    return context.app.extensions.get(EXTENSION), vars(context.g)
