"""What a view says of itself: `@redis_alias`, `@redis_required`, `@redis_optional`.

The client of a view is `current_redis`, which is `g.redis`. For sync and async views, below the
route; for classes in their list `decorators`, or on one of their methods. What is decided here
holds for the rest of the request: a body that is streamed after the view has returned is within it.
An alias that `REDIS_POOLS` does not have is a `ConfigError` as the app gets the view, any other
wrong argument as it is decorated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from flask import current_app, g

from ..leasing.fallback import Fallback
from ..process import client_of, get_pool
from ..web.degrading import FindDegrading
from ..web.view_decorators import (
    AliasDecorator,
    OptionalDecorator,
    RequiredDecorator,
    make_decorators,
)
from ..web.view_policy import ViewPolicy, mark
from .eager import is_eager, is_left_to_inner, scope_of_request, take_for
from .on_g import choose, chosen_policy, find_default_client

__all__ = ["redis_alias", "redis_optional", "redis_required"]


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


redis_alias: AliasDecorator
redis_required: RequiredDecorator
redis_optional: OptionalDecorator
redis_alias, redis_required, redis_optional = make_decorators(_deciding, __name__)
