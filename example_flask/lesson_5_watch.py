"""Lesson 5, seeing it.

The pool's numbers below each page, its status page, two views for load balancers, and a panel
in the debug toolbar. None of them takes a connection, so they work while all are taken.
"""

from __future__ import annotations

from importlib.util import find_spec

from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue

from redis_pool_ext.flask import health, status

from .pool_panel import pool_panel

lesson = Blueprint("lesson_5", __name__)


@lesson.get("/pool.json")
def pool() -> ResponseReturnValue:
    """Return the pool's numbers; the page asks twice a second."""
    return pool_panel()


def is_local() -> bool:
    """Tell whether the browser runs on this machine: the guard of the status page.

    Through a proxy everybody would seem to. A site with users asks whether this one is staff.
    """
    came_straight = "X-Forwarded-For" not in request.headers
    return came_straight and request.remote_addr in {"127.0.0.1", "::1"}


def has_toolbar(app: Flask) -> bool:
    """Tell whether to show the toolbar: to developers who have installed it."""
    return app.debug and find_spec("flask_debugtoolbar") is not None


def add_views(app: Flask) -> None:
    """Add this lesson's views, ours and the package's, to the application."""
    app.jinja_env.globals["pool_panel"] = pool_panel
    app.register_blueprint(lesson)
    app.register_blueprint(status.blueprint(guard=is_local), url_prefix="/redis-pool")
    # Without Redis there is still a programme: no worker is taken out of the balancer for that.
    views = health.blueprint(pools=["default"], degraded=["unreachable"])
    app.register_blueprint(views)  # /health/live, /health/ready
    if has_toolbar(app):
        from flask_debugtoolbar import DebugToolbarExtension

        app.config["DEBUG_TB_PANELS"] = ["redis_pool_ext.flask.panel.RedisPoolPanel"]
        DebugToolbarExtension(app)
