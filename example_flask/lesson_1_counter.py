"""Lesson 1, a request's connection.

`current_redis` is a redis-py client on one connection of the pool. The request takes that at
its first command and gives it back when its answer is sent. There is nothing to open or close.
"""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from redis_pool_ext.flask import current_redis

lesson = Blueprint("lesson_1", __name__)

VISITS = "{poll}:visits"


@lesson.get("/counter/")
def counter() -> ResponseReturnValue:
    """Count this visit."""
    visits = current_redis.incr(VISITS)
    return render_template("counter.html", visits=visits)
