"""What a view says of itself: `@redis_alias`, `@redis_required`, `@redis_optional`.

The client of a view is `request.redis`, in coroutines `request.aredis`. For sync and async views;
for classes by `method_decorator(..., name="dispatch")`, or on one of their methods. What is decided
here holds for the rest of the request: templates and streamed bodies that are made after the view
has returned are within it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, wraps
from inspect import isawaitable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from ..aio.loops import get_async_pool
from ..config import ConfigError
from ..leasing.fallback import Fallback
from ..process import get_pool, unknown
from ..scope import Scope, current_scope
from ..web.degrading import DegradingScope
from ..web.lazy import LazyAsyncRedis, LazyRedis
from ..web.request_policy import EAGER
from ..web.view_decorators import (
    AliasDecorator,
    OptionalDecorator,
    RequiredDecorator,
    make_decorators,
)
from ..web.view_policy import ViewPolicy, mark
from .eager import atake_for, is_async, is_left_to_inner, take_for
from .handover import SETTING

__all__ = ["redis_alias", "redis_optional", "redis_required"]

# On a request: the policy that holds, for what is decorated within what is decorated.
_POLICY = "_redis_pool_ext_policy"


def _deciding(policy: ViewPolicy) -> Callable[[Any], Any]:
    """Return what puts a view under a policy; raises `ConfigError` for an unknown alias."""
    _require(policy.alias)

    def decorate(view: Any) -> Any:
        @wraps(view)
        def under_policy(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            in_force = _enter(request, policy)
            if not _is_eager(in_force) or is_left_to_inner(view, request.method or ""):
                return view(request, *args, **kwargs)  # of an async one: what is to be awaited
            if is_async(view):
                return _after_taking(in_force.alias, view, request, *args, **kwargs)
            take_for(in_force.alias)
            return view(request, *args, **kwargs)

        if iscoroutinefunction(view):
            markcoroutinefunction(under_policy)
        return mark(under_policy, policy)  # of the same kind

    return decorate


def _is_eager(policy: ViewPolicy) -> bool:
    return getattr(settings, EAGER, False) if policy.eager is None else policy.eager


async def _after_taking(
    alias: str | None, view: Any, request: HttpRequest, *args: Any, **kwargs: Any
) -> Any:
    await atake_for(request, alias)
    response = view(request, *args, **kwargs)
    # Of a plain decorator around `dispatch` it may be a response: a redirect to the login.
    return await response if isawaitable(response) else response


def _require(alias: str | None) -> None:
    pools = getattr(settings, SETTING, None)
    if alias is not None and isinstance(pools, Mapping) and alias not in pools:
        raise ConfigError([unknown(alias, pools)])  # where there is no mapping: a worse error


def _enter(request: HttpRequest, policy: ViewPolicy) -> ViewPolicy:
    """Apply a policy from here on; return it, within what holds already."""
    if not hasattr(request, "META"):  # one that a framework has wrapped has it
        raise TypeError(
            f"{policy.name} was called with {type(request).__name__}, which is no request; "
            f"on a method of a class, write @method_decorator({policy.name[1:]})"
        )
    scope = current_scope()
    if scope is None:
        raise ImproperlyConfigured(
            f"{policy.name} needs RedisPoolMiddleware, which ends the lease; "
            "it is missing in MIDDLEWARE, or this request did not pass it"
        )
    outer: ViewPolicy | None = getattr(request, _POLICY, None)
    in_force = policy.within(outer)
    setattr(request, _POLICY, in_force)
    if policy.limits:
        policy.limit(scope)
    if policy.chooses_client:
        _choose_clients(request, scope, in_force)
    return in_force


def _choose_clients(request: Any, scope: Scope, policy: ViewPolicy) -> None:
    fallback = policy.fallback
    lends: Any = DegradingScope(scope, fallback) if isinstance(fallback, Fallback) else scope
    alias = policy.alias or "default"
    request.redis = LazyRedis(lends, partial(get_pool, alias))
    request.aredis = LazyAsyncRedis(lends, partial(get_async_pool, alias))


redis_alias: AliasDecorator
redis_required: RequiredDecorator
redis_optional: OptionalDecorator
redis_alias, redis_required, redis_optional = make_decorators(_deciding, __name__)
