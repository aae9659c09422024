"""The application. `current_redis` is one connection, from its first use to the response's end.

No view handles a full pool: the extension answers 503, and `full` below gives it a page. Three
say what they need: a vote goes before all else, a report behind it, the programme does without.
"""

from __future__ import annotations

import os
from time import monotonic
from uuid import uuid4

from flask import Blueprint, Flask, abort, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound, ServiceUnavailable

from redis_pool_ext.flask import FlaskRedisPool, current_redis, redis_optional, redis_required
from redis_pool_ext.flask.status import blueprint as status_page

from . import poll
from .local_redis import redis_url as redis_url_here
from .pool_panel import pool_panel
from .security import add_security_headers, is_local, refuse_other_sites
from .sessions import RedisSessions

pages = Blueprint("poll", __name__)
redis_pool = FlaskRedisPool()


def create_app(redis_url: str | None = None) -> Flask:
    """Return the application on `redis_url`, else on `REDIS_URL`, else on a Redis of its own."""
    app = Flask(__name__)
    app.config["REDIS_POOLS"] = {
        "default": {
            "URL": redis_url or redis_url_here(),
            # Far too few, and far too impatient, so that you see what happens then.
            "MAX_CONNECTIONS": int(os.environ.get("POOL_MAX_CONNECTIONS", "4")),
            "TIMEOUT": float(os.environ.get("POOL_TIMEOUT", "1.0")),
            "OPTIONS": {"decode_responses": True, "socket_timeout": 1.0},
        }
    }
    app.session_interface = RedisSessions()
    redis_pool.init_app(app)
    app.before_request(refuse_other_sites)
    app.after_request(add_security_headers)
    app.jinja_env.globals["pool_panel"] = pool_panel
    app.register_blueprint(pages)
    app.register_blueprint(status_page(guard=is_local), url_prefix="/redis-pool")
    return app


@pages.get("/")
def index() -> ResponseReturnValue:
    """Show the ballot, the leaderboard and the pool."""
    return render_template(
        "index.html",
        talks=poll.TALKS,
        name=session.get("name", ""),
        last_vote=session.get("last_vote", ""),
        board=poll.board(current_redis),
    )


@pages.post("/vote/")
@redis_required(priority="high")
def vote() -> ResponseReturnValue:
    """Count a vote, unless this visitor votes too fast."""
    choice = request.form.get("choice", "")
    if choice not in poll.TITLES:
        abort(400, "There is no such talk on the ballot.")
    # Who throws the cookie away is a new visitor: this slows people down, not robots.
    visitor = session.setdefault("visitor", uuid4().hex)
    seconds = poll.seconds_to_wait(current_redis, visitor)
    if seconds:
        return too_fast(seconds)
    poll.vote(current_redis, choice, session.get("name", ""))
    session["last_vote"] = choice
    if wants_json():
        return poll.board(current_redis)
    return redirect(url_for(".index"), 303)  # so that a reload does not vote again


@pages.post("/name/")
def name() -> ResponseReturnValue:
    """Remember the visitor's name."""
    session["name"] = poll.clean_name(request.form.get("name", ""))
    return redirect(url_for(".index"), 303)


@pages.get("/report/")
@redis_required(priority="low", budget=15.0)  # seconds on Redis, in all
def report() -> ResponseReturnValue:
    """Hold this request's connection for some seconds, on purpose."""
    seconds = poll.report_seconds(request.args.get("seconds"))
    began = monotonic()
    board = poll.slow_report(current_redis, seconds)
    held = round(monotonic() - began, 1)
    if wants_json():
        return {"held": held}
    return render_template("report.html", held=held, board=board)


@pages.get("/programme/")
@redis_optional
def programme() -> ResponseReturnValue:
    """Show the talks; and how many votes there are, where Redis can tell."""
    votes = poll.votes(current_redis)
    known = not g.redis.is_degraded
    return render_template("programme.html", talks=poll.TALKS, votes=votes, known=known)


@pages.get("/board.json")
def board() -> ResponseReturnValue:
    """Return the leaderboard; the page asks every second."""
    return poll.board(current_redis)


@pages.get("/pool.json")
def pool() -> ResponseReturnValue:
    """Return the pool's numbers. Takes no connection, so it always answers."""
    return pool_panel()


@pages.app_errorhandler(503)
def full(error: ServiceUnavailable) -> ResponseReturnValue:
    """Say that the pool is full. Must not need Redis; Retry-After is added by the extension."""
    if wants_json():
        return {"title": error.name, "status": 503, "retry_after": error.retry_after}, 503
    return render_template("503.html", retry_after=error.retry_after), 503


@pages.app_errorhandler(404)
def not_found(_error: NotFound) -> ResponseReturnValue:
    """Say that there is no such page."""
    return render_template("404.html"), 404


def too_fast(seconds: int) -> ResponseReturnValue:
    """Answer 429, in the visitor's language: a page, or JSON for the script."""
    context = {"seconds": seconds, "limit": poll.LIMIT, "window": poll.WINDOW}
    body = context if wants_json() else render_template("429.html", **context)
    return body, 429, {"Retry-After": str(seconds)}


def wants_json() -> bool:
    """Tell whether the script asks, and not a person's browser."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json"
