"""Lesson 6, work outside a request.

`lease_scope` is what a request has by itself: one connection for all that is inside. Cron runs
this by the command below; a Celery task or a thread would call the same function.
"""

from __future__ import annotations

from typing import Any

from example_django import poll
from redis_pool_ext import get_redis, lease_scope


def count_votes() -> dict[str, Any]:
    """Write down how the poll stands now, for the programme; return it."""
    with lease_scope("count_votes"):  # the name that `holders` and the status page show
        board = poll.board(get_redis())
        return poll.write_down(get_redis(), board)
