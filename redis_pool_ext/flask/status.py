"""The status page: `app.register_blueprint(blueprint(guard=...), url_prefix="/redis-pool")`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, abort, current_app, request
from flask.typing import ResponseReturnValue

from ..pooling.base import all_pools
from ..process import pool_for
from ..status.page import PATHS, respond
from ..web.view_policy import ALONE, mark
from .state import state_of_current_app

__all__ = ["blueprint"]

Guard = Callable[[], Any]


def blueprint(*, guard: Guard, name: str = "redis_pool_status") -> Blueprint:
    """Return the page as a blueprint, for those whom `guard` lets in.

    `guard` is called in each request, a coroutine function as well, and returns whether the
    visitor may see the page: True, or False for a 403, or a response to be sent instead (a redirect
    to the login). It may raise what a view may. One that asks Redis waits for a connection,
    as a view does.

    The page itself takes no connection. Raises `TypeError` for a guard that is no function.
    """
    if not callable(guard):
        raise TypeError(
            f"blueprint(guard={guard!r}): a function that returns whether this visitor may see the "
            "status page is expected; it names requests, servers and clients, which are not for all"
        )
    made = Blueprint(name, __name__, url_prefix="/redis-pool")
    made.before_request(lambda: _refusal(guard))
    for page in PATHS:
        endpoint = page.replace(".", "-") or "page"
        made.add_url_rule(
            f"/{page}", endpoint, mark(_show, ALONE), defaults={"page": page}, methods=["GET"]
        )
    return made


def _refusal(guard: Guard) -> ResponseReturnValue | None:
    """Return None for who may see it, or what else to answer; raises the 403."""
    verdict = current_app.ensure_sync(guard)()
    if verdict is None or verdict is False:
        abort(403)
    # What is true by accident lets nobody in: it is no response, and Flask says so.
    return None if verdict is True else verdict


def _show(page: str) -> Response:
    _make_pools()
    answer = respond(page, request.args)
    return current_app.response_class(answer.body, answer.status, answer.headers)


def _make_pools() -> None:
    """Show the pools of a process that has used none yet; that connects nothing."""
    if not all_pools():
        for config in state_of_current_app().configs.values():
            pool_for(config)
