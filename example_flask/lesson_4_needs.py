"""Lesson 4, what a view needs of Redis.

It says so above its first line. A vote has its connection before it begins, so that none is
half done; and it goes before all else in the queue. The programme does without.
"""

from __future__ import annotations

from uuid import uuid4

from flask import Blueprint, abort, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from redis_pool_ext.flask import current_redis, redis_optional, redis_required

from . import cache, poll
from .answers import wants_json

lesson = Blueprint("lesson_4", __name__)


@lesson.post("/vote/")
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
        return _too_fast(seconds)
    poll.vote(current_redis, choice, session.get("name", ""))
    cache.delete(poll.BOARD)  # so that everybody sees this vote at once
    session["last_vote"] = choice
    if wants_json():
        return poll.board(current_redis)
    return redirect(url_for("lesson_2.index"), 303)  # so that a reload does not vote again


@lesson.get("/programme/")
@redis_optional
def programme() -> ResponseReturnValue:
    """Show the talks; and what Redis can tell of the votes, if it can."""
    return render_template(
        "programme.html",
        talks=poll.TALKS,
        votes=poll.votes(current_redis),
        count=poll.last_count(current_redis),
        known=not g.redis.is_degraded,
    )


def _too_fast(seconds: int) -> ResponseReturnValue:
    context = {"seconds": seconds, "limit": poll.LIMIT, "window": poll.WINDOW}
    body = context if wants_json() else render_template("429.html", **context)
    return body, 429, {"Retry-After": str(seconds)}
