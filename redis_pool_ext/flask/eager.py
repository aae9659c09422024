"""Take a request's connection before its view begins: where a view asks for it, or the app."""

from __future__ import annotations

from typing import Any

from flask import Flask, Request, current_app, has_request_context, request

from ..process import get_pool
from ..scope import Scope, current_scope
from ..web.eager import take
from ..web.view_policy import ViewPolicy, policy_of, policy_of_method
from .state import AppState, state_of_current_app

__all__ = ["follow", "is_eager", "is_left_to_inner", "scope_of_request", "take_for"]


def follow(app: Flask, state: AppState) -> None:
    """Have it done for all views of `app` that do not say otherwise, if its config asks for it.

    By the method that calls the view: what comes before it (functions before a request, a 404,
    a redirect to the address with a slash) is not refused.
    """
    if not state.requests.eager:
        return
    dispatch = app.dispatch_request

    def dispatch_request(*args: Any, **kwargs: Any) -> Any:
        here: Request = request._get_current_object()  # type: ignore[attr-defined]
        if _has_view(here) and not _speaks_for_itself(app, here):
            take_for(None)
        return dispatch(*args, **kwargs)

    app.dispatch_request = dispatch_request  # type: ignore[method-assign]


def _has_view(request: Request) -> bool:
    is_answered_by_flask = request.method == "OPTIONS" and getattr(
        request.url_rule, "provide_automatic_options", False
    )
    return request.routing_exception is None and not is_answered_by_flask


def _speaks_for_itself(app: Flask, request: Request) -> bool:
    endpoint = str(request.endpoint)
    if endpoint.rpartition(".")[2] == "static":
        return True  # Flask's own, which nobody could decorate, and which needs no Redis
    return policy_of(app.view_functions[endpoint], request.method) is not None


def is_eager(policy: ViewPolicy) -> bool:
    """Tell whether a view's connection is taken before it, by its word or else by the app's."""
    if policy.eager is None:
        return state_of_current_app().requests.eager
    return policy.eager


def is_left_to_inner(under_policy: Any, view: Any) -> bool:
    """Tell whether what is decorated within `view` has its own say, and takes what that needs.

    `under_policy` is what the decorator has made of it. Of a class it is around all methods.
    """
    if policy_of(view) is not None:
        return True
    if not has_request_context():
        return False
    outermost = current_app.view_functions.get(str(request.endpoint))
    owner = getattr(outermost, "view_class", None)
    around = outermost if owner is not None else None
    while around is not None and around is not under_policy:
        around = getattr(around, "__wrapped__", None)
    return around is not None and policy_of_method(owner, request.method) is not None


def take_for(alias: str | None) -> None:
    """Take the connection of `current_redis`. Raises as `RedisPool.get_connection`."""
    state = state_of_current_app()
    find_default = state.find_default or get_pool
    take(scope_of_request(), find_default() if alias is None else get_pool(alias))


def scope_of_request() -> Scope:
    """Return the scope that is current; raises `RuntimeError` where there can be none."""
    scope = current_scope()
    if scope is None:
        state_of_current_app()  # which says what is missing
        raise RuntimeError("this request is over: its lease has ended")
    return scope
