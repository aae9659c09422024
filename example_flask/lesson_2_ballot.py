"""Lesson 2, one connection for all.

The session (`sessions.py`), the cache (`cache.py`) and `current_redis` use the request's one
connection. A page that looks at all three takes no more of the pool than one that counts.
"""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from redis_pool_ext.flask import current_redis

from . import cache, poll

lesson = Blueprint("lesson_2", __name__)


@lesson.get("/")
def index() -> ResponseReturnValue:
    """Show the ballot and the leaderboard, to a visitor whom the session may know."""
    return render_template(
        "index.html",
        talks=poll.TALKS,
        name=session.get("name", ""),
        last_vote=session.get("last_vote", ""),
        board=poll.board(current_redis),
    )


@lesson.post("/name/")
def name() -> ResponseReturnValue:
    """Remember the visitor's name."""
    session["name"] = poll.clean_name(request.form.get("name", ""))
    return redirect(url_for(".index"), 303)


@lesson.get("/board.json")
def board() -> ResponseReturnValue:
    """Return the leaderboard. Each open page asks once a second, so all share an answer."""
    return cache.get_or_set(poll.BOARD, lambda: poll.board(current_redis), timeout=1)
