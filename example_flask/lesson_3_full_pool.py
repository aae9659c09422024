"""Lesson 3, a full pool.

A slow view keeps its connection all the while. As many of them at once as the pool has
connections, and the next visitor waits `TIMEOUT` seconds in line and then sees 503. No view says
a word about that: the extension answers, and `full` below gives it a page.
"""

from __future__ import annotations

from time import monotonic

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import ServiceUnavailable

from redis_pool_ext.flask import current_redis, redis_alias, redis_required

from . import poll
from .answers import wants_json

lesson = Blueprint("lesson_3", __name__)


@lesson.get("/report/")
@redis_required(priority="low", budget=15.0)  # behind the votes; seconds on Redis, in all
def report() -> ResponseReturnValue:
    """Hold this request's connection for some seconds, on purpose."""
    return _slow()


@lesson.get("/report/apart/")
@redis_alias("reports")
def report_apart() -> ResponseReturnValue:
    """Do the same on a pool of its own: then slow reports starve nobody but each other."""
    return _slow()


@lesson.app_errorhandler(503)
def full(error: ServiceUnavailable) -> ResponseReturnValue:
    """Say that the pool is full. Must not need Redis; Retry-After is added by the extension."""
    # An error 503 of somebody else's says nothing about when to come back.
    retry_after = getattr(error, "retry_after", None) or 1
    if wants_json():
        return {"title": error.name, "status": 503, "retry_after": retry_after}, 503
    return render_template("503.html", retry_after=retry_after), 503


def _slow() -> ResponseReturnValue:
    seconds = poll.report_seconds(request.args.get("seconds"))
    began = monotonic()
    board = poll.slow_report(current_redis, seconds)
    held = round(monotonic() - began, 1)
    if wants_json():
        return {"held": held}
    return render_template("report.html", held=held, board=board)
