"""`@redis_alias`, `@redis_required`, `@redis_optional`: what they take, said once for both wings.

A wing tells how a view is put under a policy, and has its three decorators from here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, overload

from .view_policy import ViewPolicy, decorated

__all__ = ["AliasDecorator", "OptionalDecorator", "RequiredDecorator", "make_decorators"]

View = TypeVar("View", bound=Callable[..., Any])
Deciding = Callable[[ViewPolicy], Callable[[Any], Any]]


class AliasDecorator(Protocol):
    """`@redis_alias`."""

    def __call__(self, alias: str) -> Callable[[View], View]:
        """Return what puts a view on the pool `alias`."""
        ...


class RequiredDecorator(Protocol):
    """`@redis_required`, with and without arguments."""

    @overload
    def __call__(self, view: View, /) -> View: ...

    @overload
    def __call__(
        self,
        *,
        alias: str | None = None,
        budget: float | None = None,
        priority: str | None = None,
        eager: bool = True,
    ) -> Callable[[View], View]: ...


class OptionalDecorator(Protocol):
    """`@redis_optional`, with and without arguments."""

    @overload
    def __call__(self, view: View, /) -> View: ...

    @overload
    def __call__(
        self,
        *,
        default: Any = None,
        alias: str | None = None,
        budget: float | None = None,
        priority: str | None = None,
    ) -> Callable[[View], View]: ...


def make_decorators(
    deciding: Deciding, module: str
) -> tuple[AliasDecorator, RequiredDecorator, OptionalDecorator]:
    """Return the three of a wing, whose `module` they are in to `help()`.

    `deciding` returns what puts a view under a policy.
    """
    made = _alias(deciding), _required(deciding), _optional(deciding)
    for each in made:
        each.__module__, each.__qualname__ = module, each.__name__
    return made


def _alias(deciding: Deciding) -> Any:
    def redis_alias(alias: str) -> Callable[[View], View]:
        """Let the client of a view's request be that of the pool `alias`.

        What has its pool elsewhere (cache, sessions, a client that an extension keeps) keeps that
        one, and so the request may hold one connection of each.

        Raises `ConfigError` for an alias that `REDIS_POOLS` does not have: in Django as the view is
        decorated, in Flask as the app gets it.
        """
        return deciding(ViewPolicy.on(alias))

    return redis_alias


def _required(deciding: Deciding) -> Any:
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
        ("high", "normal", "low") who it goes before.

        Raises `ConfigError` for a wrong argument, as the view is decorated.
        """
        policy = ViewPolicy.required(alias=alias, budget=budget, priority=priority, eager=eager)
        return decorated("@redis_required", deciding(policy), view)

    return redis_required


def _optional(deciding: Deciding) -> Any:
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
        server, no reply in time); `is_degraded` of the view's client tells so. One that writes
        raises as ever, which is a 503. The other arguments are those of `redis_required`.

        Raises `ConfigError` for a wrong argument, as the view is decorated.
        """
        policy = ViewPolicy.optional(default=default, alias=alias, budget=budget, priority=priority)
        return decorated("@redis_optional", deciding(policy), view)

    return redis_optional
