"""`FlaskRedisPool`: reads the app's settings and ties the three parts of the wing to it."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from flask import Flask, current_app

from .. import process, scope
from ..config import ConfigError, PoolConfig, Problem, read_settings
from ..pool import RedisPool
from ..shared import SharedRedis
from ..status.desk import open_desk_when_serving
from ..status.projects import announce
from . import commands, contexts, eager, known, timing, unavailable
from .on_g import put_on_g
from .proxy import current_redis
from .state import EXTENSION, AppState, configs_of_current_app, find_state, state_of_current_app

__all__ = ["FlaskRedisPool"]

_SETTING = "app.config['REDIS_POOLS']"

_WHICH_APP = """\
Working outside of application context.

This FlaskRedisPool was set up for several apps, and their default pools differ. Wrap what
needs one of them in `with app.app_context():`, the init_app of another extension too.\
"""


class FlaskRedisPool:
    """Gives each request of a Flask app one lease on the process's Redis pool.

    Reads `app.config["REDIS_POOLS"]`, the same mapping as in Django. In an app context
    the client is `current_redis`, also attached as `g.redis`, and `get_redis(alias)` for
    the other pools. A request that gets no connection in time is answered with 503;
    register an error handler for 503 or for `RedisPoolError` to answer it your way.

    One instance serves any number of apps; nothing connects before the first command.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set `app` up, once; later changes of its config are not seen.

        Raises `ConfigError` where `REDIS_POOLS` is missing or wrong, with every problem,
        and `RuntimeError` for an app that has been set up already.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError(
                f"{app!r} has its Redis pool already: init_app was called twice, or two "
                "FlaskRedisPool were made for it; import and use the first one"
            )
        state = AppState.of(app, _read_config(app))
        known.follow(app, state.configs)
        unavailable.register(app)
        contexts.follow(app, state.requests)
        eager.follow(app, state)
        timing.follow(app)
        put_on_g(app, state.find_default)
        app.shell_context_processor(_shell_context)
        app.extensions[EXTENSION] = state
        self._apps.add(app)
        app.cli.add_command(commands.group)
        announce(app, state.configs)
        if not commands.is_command():
            open_desk_when_serving()
        process.add_source(configs_of_current_app)
        scope.add_source(contexts.scope_of_current_context)

    @property
    def pool(self) -> RedisPool:
        """The current app's default pool; `RuntimeError` outside of an app context."""
        state_of_current_app()
        return process.get_pool()

    @property
    def client(self) -> SharedRedis:
        """A client for other extensions, which keep it: Flask-Session, Flask-Caching, ...

        In a request each use is one of `current_redis`, so all of them share its connection;
        elsewhere a command borrows one. Outside of an app context it is that of the apps that
        this instance was set up with, if they have one and the same pool; else `RuntimeError`.
        """
        return SharedRedis(find_pool=self._find_pool)

    def _find_pool(self) -> RedisPool:
        state = find_state() or self._state_of_its_apps()
        return process.get_pool() if state.find_default is None else state.find_default()

    def _state_of_its_apps(self) -> AppState:
        """Return what all its apps agree on, as those of one factory do: tests make many."""
        states = [app.extensions[EXTENSION] for app in list(self._apps)]
        if len({state.configs.get("default") for state in states}) == 1:
            return states[0]  # type: ignore[no-any-return]
        if states:
            raise RuntimeError(_WHICH_APP)
        return state_of_current_app()  # which says what is missing

    def __reduce__(self) -> Any:
        raise TypeError(
            "a FlaskRedisPool and its client stay in the process of their apps; what goes to "
            "another process takes redis_pool_ext.shared_redis()"
        )

    def __repr__(self) -> str:
        configs = configs_of_current_app()
        if configs is None:
            return f"<{type(self).__name__}>"
        return f"<{type(self).__name__} of {current_app.name!r}: {', '.join(configs)}>"


def _read_config(app: Flask) -> dict[str, PoolConfig]:
    if "REDIS_POOLS" not in app.config:
        hint = (
            "before init_app, write app.config['REDIS_POOLS'] = "
            f"{{'default': 'redis://localhost:6379/0'}}{_but_there_is(app.config)}"
        )
        raise ConfigError([Problem("E008", _SETTING, "is not set", hint)])
    return read_settings(app.config["REDIS_POOLS"], _SETTING)


def _but_there_is(config: Mapping[str, object]) -> str:
    """Return the end of a hint with the key in the place of `REDIS_POOLS`, or nothing."""
    near = get_close_matches("REDIS_POOLS", map(str, config), n=1, cutoff=0.8)
    for key in (*near, "REDIS_URL"):  # the latter is flask-redis's
        if key in config:
            return f"; there is {key!r}, which is not read"
    return ""


def _shell_context() -> dict[str, Any]:
    return {"current_redis": current_redis}
