"""`@redis_alias("reports")`: a view on another pool than the one called "default"."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial, wraps
from typing import Any, TypeVar

from flask import Flask, current_app

from ..config import ConfigError
from ..process import config_for, get_pool, unknown
from .on_g import choose_pool

__all__ = ["follow", "redis_alias"]

View = TypeVar("View", bound=Callable[..., Any])

# On the view, for `follow`; functools.wraps hands it on to whatever is put around.
_ALIAS = "_redis_pool_ext_alias"


def redis_alias(alias: str) -> Callable[[View], View]:
    """Let `current_redis` and `g.redis` be the clients of the pool `alias`.

    From this view on: a body that is streamed after it has returned has them, too. What
    has its pool elsewhere (`redis_pool.client`, and the extensions that keep it) keeps that
    one, and so the request may hold one connection of each.

    An alias that `REDIS_POOLS` does not have is a `ConfigError` as the app gets the view.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def with_alias(*args: Any, **kwargs: Any) -> Any:
            choose_pool(partial(get_pool, alias))
            return current_app.ensure_sync(view)(*args, **kwargs)

        setattr(with_alias, _ALIAS, alias)
        return with_alias  # type: ignore[return-value]  # of the same kind

    return decorate


def follow(app: Flask, known: Collection[str]) -> None:
    """Refuse views of `app` on a pool that is not among the `known` ones, as they are added."""
    add_url_rule = app.add_url_rule

    def add_known_rule(
        rule: str, endpoint: str | None = None, view_func: Any = None, *args: Any, **options: Any
    ) -> None:
        _require(view_func, known)
        add_url_rule(rule, endpoint, view_func, *args, **options)

    for view in app.view_functions.values():
        _require(view, known)
    app.add_url_rule = add_known_rule  # type: ignore[method-assign]


def _require(view: Any, known: Collection[str]) -> None:
    alias = getattr(view, _ALIAS, None)
    if alias is None or alias in known:
        return
    try:
        config_for(alias)  # of the process
    except ConfigError:
        raise ConfigError([unknown(alias, known)]) from None
