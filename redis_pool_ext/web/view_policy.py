"""What a view says of itself: its pool, budget and priority, and what it does without Redis.

The decorators of both frameworks make this record, and hand it to their wing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from ..leasing.fallback import Fallback
from ..priority import Priority
from ..problems import ConfigError, Problem, shown
from ..rule import SECONDS
from ..scope import Scope

__all__ = [
    "ALONE",
    "ViewPolicy",
    "decorated",
    "mark",
    "policies_of",
    "policy_of",
    "policy_of_method",
]

# On a view; functools.wraps hands it on to whatever is put around.
_ATTRIBUTE = "_redis_pool_ext_policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPolicy:
    """One view's policy. None says nothing: what is around the view holds.

    With `eager` its connection is taken before it begins; with a `fallback` its reads go on
    without Redis, and False is none of it. `name` is what it was written as.
    """

    name: str = ""
    alias: str | None = None
    budget: float | None = None
    priority: Priority | None = None
    eager: bool | None = None
    fallback: Fallback | bool | None = None

    @classmethod
    def on(cls, alias: str) -> Self:
        """Return that of `@redis_alias(alias)`; raises `ConfigError` for what is no alias."""
        if not isinstance(alias, str):  # a view, where somebody has left the alias out
            hint = "name an entry of REDIS_POOLS, as in @redis_alias('default')"
            message = f"{shown(alias)} is not a text (str)"
            raise ConfigError([Problem("E002", "@redis_alias", message, hint)])
        return cls(name=f"@redis_alias({alias!r})", alias=alias)

    @classmethod
    def required(cls, *, alias: Any, budget: Any, priority: Any, eager: Any) -> Self:
        """Return that of `@redis_required`; raises `ConfigError` for a wrong argument."""
        name = "@redis_required"
        terms = _read(name, alias=alias, budget=budget, priority=priority, eager=eager)
        return cls(name=name, fallback=False, **terms)

    @classmethod
    def optional(cls, *, default: Any, alias: Any, budget: Any, priority: Any) -> Self:
        """Return that of `@redis_optional`; raises `ConfigError` for a wrong argument."""
        name = "@redis_optional"
        if callable(default):  # as of a model's field, and nobody would call it
            what = getattr(default, "__name__", shown(default))
            message = f"{what} is something to be called, and nobody does"
            hint = "write what reads are to return, as in default=[]; each gets its own copy"
            raise ConfigError([_problem(name, "default", message, hint)])
        terms = _read(name, alias=alias, budget=budget, priority=priority, eager=False)
        return cls(name=name, fallback=Fallback(default), **terms)

    def within(self, outer: ViewPolicy | None) -> ViewPolicy:
        """Return this policy, and where it says nothing the one around it."""
        if outer is None:
            return self
        names = ("alias", "budget", "priority", "eager", "fallback")
        unsaid = [name for name in names if getattr(self, name) is None]
        return replace(self, **{name: getattr(outer, name) for name in unsaid})

    @property
    def chooses_client(self) -> bool:
        """Tell whether the view has another client than it would have without it."""
        return self.alias is not None or self.fallback is not None

    def limit(self, scope: Scope) -> None:
        """Let the leases of a scope have this budget and priority from now on."""
        scope.limit(budget=self.budget, priority=self.priority)

    @property
    def limits(self) -> bool:
        """Tell whether `limit` has anything to do."""
        return self.budget is not None or self.priority is not None


# That of our own views, which answer while Redis is down: nothing is taken for them.
ALONE = ViewPolicy(eager=False)


def mark(view: Any, policy: ViewPolicy) -> Any:
    """Note on a view what is said of it, around what it says itself already; return it."""
    inner = policy_of(view)
    setattr(view, _ATTRIBUTE, policy if inner is None else inner.within(policy))
    return view


def policy_of(view: Any, method: str | None = None) -> ViewPolicy | None:
    """Return what a view says of itself, a class-based one about its `method`, if anything."""
    policy: ViewPolicy | None = getattr(view, _ATTRIBUTE, None)
    if policy is None and method is not None:
        policy = policy_of_method(getattr(view, "view_class", None), method)
    return policy


def policy_of_method(owner: Any, method: str) -> ViewPolicy | None:
    """Return what the method of a class (or of its object) says that answers `method`."""
    name = method.lower()
    if name == "head" and not hasattr(owner, name):
        name = "get"  # by which both frameworks answer it then
    for each in (name, "dispatch_request"):  # Flask's, of views that have no such methods
        policy: ViewPolicy | None = getattr(getattr(owner, each, None), _ATTRIBUTE, None)
        if policy is not None:
            return policy
    return None


def policies_of(view: Any) -> list[ViewPolicy]:
    """Return all that a view of Flask says of itself, and the methods of its class."""
    owner = getattr(view, "view_class", None)
    methods = getattr(owner, "methods", None) or ["GET"]
    found = [policy_of(view), *(policy_of_method(owner, method) for method in sorted(methods))]
    return [policy for policy in found if policy is not None]


def decorated(name: str, decorate: Callable[[Any], Any], view: Any) -> Any:
    """Return what `@name` (with the `view`) and `@name(...)` (None) have to return.

    Raises `ConfigError` for what is no view.
    """
    if view is None:
        return decorate
    if callable(view) and not isinstance(view, type):
        return decorate(view)
    hint = f"its arguments have names, as in {name}(alias='default')"
    if isinstance(view, type):
        hint = f"write method_decorator({name[1:]}, name='dispatch') in Django, decorators in Flask"
        raise ConfigError([Problem("E002", name, f"the class {view.__name__} is no view", hint)])
    raise ConfigError([Problem("E002", name, f"{shown(view)} is no view", hint)])


def _read(decorator: str, *, alias: Any, budget: Any, priority: Any, eager: Any) -> dict[str, Any]:
    problems: list[Problem] = []
    if alias is not None and not isinstance(alias, str):
        hint = "name an entry of REDIS_POOLS, as in alias='default'"
        problems.append(_problem(decorator, "alias", f"{shown(alias)} is not a text (str)", hint))
    if not isinstance(eager, bool):
        hint = "write True to take the connection before the view begins, False not to"
        problems.append(_problem(decorator, "eager", f"{shown(eager)} is no yes or no", hint))
    if budget is not None:
        found = SECONDS.problem(_path(decorator, "budget"), budget)
        problems += [found] if found is not None else []
    try:
        priority = None if priority is None else Priority.of(priority, _path(decorator, "priority"))
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    return {"alias": alias, "budget": budget, "priority": priority, "eager": eager}


def _problem(decorator: str, argument: str, message: str, hint: str) -> Problem:
    return Problem("E002", _path(decorator, argument), message, hint)


def _path(decorator: str, argument: str) -> str:
    return f"{decorator}({argument}=...)"
