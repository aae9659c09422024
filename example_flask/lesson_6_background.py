"""Lesson 6, work outside a request.

`lease_scope` is what a request has by itself: one connection for all that is inside. Cron runs
this by the command below; a Celery task or a thread would call the same function, in
`with app.app_context()`.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from redis_pool_ext import get_redis, lease_scope

from . import poll

lesson = Blueprint("lesson_6", __name__, cli_group=None)


def count_votes() -> dict[str, Any]:
    """Write down how the poll stands now, for the programme; return it."""
    with lease_scope("count_votes"):  # the name that `holders` and the status page show
        board = poll.board(get_redis())
        return poll.write_down(get_redis(), board)


@lesson.cli.command("count-votes")
def count_votes_command() -> None:
    """Write down how the poll stands now, for the programme."""
    count = count_votes()
    print(f"{count['leader']} leads with {count['votes']} of {count['total']} votes.")
