"""`@redis_alias("reports")`: a view on another pool than the one called "default"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from ..aio.loops import get_async_pool
from ..config import ConfigError
from ..lazy import LazyAsyncRedis, LazyRedis
from ..process import get_pool, unknown
from ..scope import current_scope
from .handover import SETTING

__all__ = ["redis_alias"]

View = TypeVar("View", bound=Callable[..., Any])


def redis_alias(alias: str) -> Callable[[View], View]:
    """Let `request.redis` and `request.aredis` be the clients of the pool `alias`.

    From this view on: templates and streamed bodies that are made after it has returned
    have them, too. Sync and async views, and classes by `method_decorator(redis_alias(...),
    name="dispatch")`. What has its pool elsewhere (cache, sessions) keeps that one, and so
    the request may hold one connection of each.

    Raises `ConfigError` for an alias that `REDIS_POOLS` does not have, as the view is decorated.
    """
    _require(alias)

    def decorate(view: View) -> View:
        @wraps(view)
        def with_alias(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            _use(request, alias)
            return view(request, *args, **kwargs)  # of an async one: what is to be awaited

        if iscoroutinefunction(view):
            markcoroutinefunction(with_alias)
        return with_alias  # type: ignore[return-value]  # of the same kind

    return decorate


def _require(alias: str) -> None:
    pools = getattr(settings, SETTING, None)
    if isinstance(pools, Mapping) and alias not in pools:  # else there is a worse error
        raise ConfigError([unknown(alias, pools)])


def _use(request: HttpRequest, alias: str) -> None:
    scope = current_scope()
    if scope is None:
        raise ImproperlyConfigured(
            f"@redis_alias({alias!r}) needs RedisPoolMiddleware, which ends the lease; "
            "it is missing in MIDDLEWARE, or this request did not pass it"
        )
    request.redis = LazyRedis(scope, partial(get_pool, alias))  # type: ignore[attr-defined]
    request.aredis = LazyAsyncRedis(scope, partial(get_async_pool, alias))  # type: ignore[attr-defined]
