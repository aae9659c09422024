"""What a view says of itself: `@redis_alias`, `@redis_required`, `@redis_optional`.

For sync and async views, below the route; for classes in their list `decorators`, or on one of
their methods. What is decided here holds for the rest of the request: a body that is streamed
after the view has returned is within it. An alias that `REDIS_POOLS` does not have is a
`ConfigError` as the app gets the view, any other wrong argument as it is decorated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar, overload

from flask import current_app, g

from ..degrading import FindDegrading
from ..fallback import Fallback
from ..process import client_of, get_pool
from ..view_policy import ViewPolicy, decorated, mark
from .eager import is_eager, is_left_to_inner, scope_of_request, take_for
from .on_g import choose, chosen_policy, find_default_client

__all__ = ["redis_alias", "redis_optional", "redis_required"]

View = TypeVar("View", bound=Callable[..., Any])


def redis_alias(alias: str) -> Callable[[View], View]:
    """Let `current_redis` and `g.redis` be the clients of the pool `alias`.

    What has its pool elsewhere (`redis_pool.client`, and the extensions that keep it) keeps that
    one, and so the request may hold one connection of each.
    """
    return _deciding(ViewPolicy.on(alias))


@overload
def redis_required(view: View, /) -> View: ...


@overload
def redis_required(
    *,
    alias: str | None = None,
    budget: float | None = None,
    priority: str | None = None,
    eager: bool = True,
) -> Callable[[View], View]: ...


def redis_required(
    view: Any = None,
    /,
    *,
    alias: str | None = None,
    budget: float | None = None,
    priority: str | None = None,
    eager: bool = True,
) -> Any:
    """Say that a view cannot do without Redis: `@redis_required`, or with arguments.

    The connection is taken before it begins, so when there is none it is a 503, and nothing of
    the view has run; with `eager` False it is taken at the first command. `alias` is that of
    `redis_alias`, `budget` the seconds that the request may spend on Redis in all, `priority`
    ("high", "normal", "low") who it goes before. Raises `ConfigError` for a wrong argument.
    """
    policy = ViewPolicy.required(alias=alias, budget=budget, priority=priority, eager=eager)
    return decorated("@redis_required", _deciding(policy), view)


@overload
def redis_optional(view: View, /) -> View: ...


@overload
def redis_optional(
    *,
    default: Any = None,
    alias: str | None = None,
    budget: float | None = None,
    priority: str | None = None,
) -> Callable[[View], View]: ...


def redis_optional(
    view: Any = None,
    /,
    *,
    default: Any = None,
    alias: str | None = None,
    budget: float | None = None,
    priority: str | None = None,
) -> Any:
    """Say that a view can do without Redis: `@redis_optional`, or with arguments.

    A command that only reads returns `default` where Redis gives no answer (no connection, no
    server, no reply in time); `g.redis.is_degraded` tells so. One that writes raises as ever,
    which is a 503. The other arguments are those of `redis_required`. Raises `ConfigError` for
    a wrong argument.
    """
    policy = ViewPolicy.optional(default=default, alias=alias, budget=budget, priority=priority)
    return decorated("@redis_optional", _deciding(policy), view)


def _deciding(policy: ViewPolicy) -> Callable[[Any], Any]:
    """Return what puts a view under a policy."""

    def decorate(view: Any) -> Any:
        @wraps(view)
        def under_policy(*args: Any, **kwargs: Any) -> Any:
            in_force = _enter(policy)
            if is_eager(in_force) and not is_left_to_inner(under_policy, view):
                take_for(in_force.alias)
            return current_app.ensure_sync(view)(*args, **kwargs)

        return mark(under_policy, policy)  # of the same kind

    return decorate


def _enter(policy: ViewPolicy) -> ViewPolicy:
    """Apply a policy from here on; return it, within what holds already."""
    own = vars(g._get_current_object())
    in_force = policy.within(chosen_policy(own))
    if policy.limits:
        policy.limit(scope_of_request())
    choose(in_force, _finder(in_force) if policy.chooses_client else None)
    return in_force


def _finder(policy: ViewPolicy) -> Callable[[], Any]:
    """Return how to find the view's client."""
    alias, fallback = policy.alias, policy.fallback
    find: Callable[[], Any] = find_default_client
    if alias is not None:
        find = partial(_client_of, alias)
    return FindDegrading(find, fallback) if isinstance(fallback, Fallback) else find


def _client_of(alias: str) -> Any:
    return client_of(get_pool(alias))
