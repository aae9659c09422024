"""Take a request's connection before its view begins: where a view asks for it, or the project."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

from ..aio.loops import get_async_pool
from ..process import config_for, get_pool
from ..scope import current_scope
from ..web.eager import atake, take
from ..web.view_policy import policy_of, policy_of_method

__all__ = ["atake_for", "is_async", "is_left_to_inner", "process_view", "take_for"]


def is_async(view: Any) -> bool:
    """Tell whether a view is one for an event loop, also of `dispatch`, of a class that is."""
    owner = getattr(_method_in(view), "__self__", None)
    return iscoroutinefunction(view) or bool(getattr(owner, "view_is_async", False))


def is_left_to_inner(view: Any, method: str) -> bool:
    """Tell whether what is decorated within `view` has its own say, and takes what that needs."""
    if policy_of(view, method) is not None:
        return True
    bound = _method_in(view)
    return (
        getattr(bound, "__name__", None) == "dispatch"
        and policy_of_method(bound.__self__, method) is not None
    )


def _method_in(view: Any) -> Any:
    """Return the method of a class-based view that is called in the end, or None.

    method_decorator hands over a partial of the method, which is no coroutine function; and
    other decorators of its list may be around that.
    """
    while view is not None:
        bound = getattr(view, "func", view)
        if getattr(bound, "__self__", None) is not None:
            return bound
        view = getattr(view, "__wrapped__", None)
    return None


def take_for(alias: str | None) -> None:
    """Take the connection of `request.redis`. Raises as `RedisPool.get_connection`."""
    scope = current_scope()
    if scope is not None:
        take(scope, get_pool(alias or "default"))


async def atake_for(request: HttpRequest, alias: str | None) -> None:
    """Take the one that an async view of this request is to use."""
    # A framework on top of Django has its own request around Django's: `_request`.
    if not isinstance(getattr(request, "_request", request), ASGIRequest):
        # Under WSGI the loop is this request's alone, and dials anew: docs/asyncio.md.
        take_for(alias)
    elif config_for(alias or "default").is_cluster:  # which has none for event loops
        await sync_to_async(take_for)(alias)
    else:
        scope = current_scope()
        if scope is not None:
            await atake(scope, get_async_pool(alias or "default"))


def process_view(*, in_loop: bool) -> Callable[..., Any]:
    """Return the middleware's `process_view` for `REDIS_POOL_EAGER`, of its own kind."""
    return _process_view_in_loop if in_loop else _process_view


def _process_view(request: HttpRequest, view: Any, _args: Any, _kwargs: Any) -> None:
    if policy_of(view, request.method) is not None:
        return  # the view says so itself
    if is_async(view):
        # Also of a middleware in a thread: asgiref runs it in the loop that waits for that.
        async_to_sync(atake_for)(request, None)
    else:
        take_for(None)


async def _process_view_in_loop(request: HttpRequest, view: Any, _args: Any, _kwargs: Any) -> None:
    if policy_of(view, request.method) is not None:
        return
    if is_async(view):
        await atake_for(request, None)
    else:
        await sync_to_async(take_for)(None)  # it may wait, and the loop is everybody's
