"""`REDIS_POOL_BUDGET` and `REDIS_POOL_EAGER`: what holds for every request of a project.

One reader for both frameworks. Where neither is set, nobody asks for them after the start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from ..budget import Budget
from ..config import ConfigError, Problem
from ..problems import shown
from ..rule import SECONDS

__all__ = ["BUDGET", "EAGER", "RequestPolicy", "find_problems"]

BUDGET = "REDIS_POOL_BUDGET"
EAGER = "REDIS_POOL_EAGER"

Get = Callable[[str, Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPolicy:
    """The seconds that a request may spend on Redis (None: any), and when it asks for it."""

    seconds: float | None = None
    eager: bool = False

    @classmethod
    def read(cls, get: Get, where: Callable[[str], str] = str) -> Self:
        """Read the settings; `get` is the mapping's, `where` how a name is called in messages.

        Raises `ConfigError` with every problem found.
        """
        problems = find_problems(get, where)
        if problems:
            raise ConfigError(problems)
        return cls(seconds=get(BUDGET, None), eager=get(EAGER, False))

    def new_budget(self) -> Budget | None:
        """Return the budget of a request that begins here, if it has one."""
        return None if self.seconds is None else Budget(self.seconds)


def find_problems(get: Get, where: Callable[[str], str] = str) -> list[Problem]:
    """Return what `RequestPolicy.read` would raise."""
    problems = []
    seconds, eager = get(BUDGET, None), get(EAGER, False)
    if seconds is not None:
        found = SECONDS.problem(where(BUDGET), seconds)
        if found is not None:
            hint = f"{found.hint}, or None for no limit"
            problems.append(Problem("E015", found.path, found.message, hint))
    if not isinstance(eager, bool):
        hint = "write True to take a connection before each view, False to wait until it is used"
        problems.append(Problem("E016", where(EAGER), f"{shown(eager)} is no yes or no", hint))
    return problems
