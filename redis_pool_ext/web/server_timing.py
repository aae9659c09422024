"""`Server-Timing`: how long a request waited for Redis connections, and held them.

Browsers show it beside the response. Off by default: with it on, pools are observed, so each
lease goes the careful way. Where it is off, nothing of this is asked by anybody.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ..config import ConfigError, Problem
from ..observing import Observed, Observer, add_observer
from ..problems import shown
from ..scope import entered_scope

__all__ = [
    "HEADER",
    "SETTING",
    "Timing",
    "begin_timing",
    "end_timing",
    "problem_of",
    "wants_timing",
    "with_timing",
]

SETTING = "REDIS_POOL_SERVER_TIMING"
HEADER = "Server-Timing"


class Timing:
    """What one request has spent so far; seconds."""

    __slots__ = ("held", "waited")

    def __init__(self) -> None:
        self.waited: float = 0.0
        self.held: float = 0.0  # by what came back; the rest is asked of the scope

    def entries(self) -> str:
        """Return the header's value: milliseconds in the queue and for dials, and of holding."""
        scope = entered_scope()
        held = self.held + (scope.held_seconds() if scope is not None else 0.0)
        return f"redis-pool;dur={self.waited * 1000:.3f}, redis-hold;dur={held * 1000:.3f}"


# An object that tasks and threads of the request share, as they copy its context.
_current: ContextVar[Timing | None] = ContextVar("redis_pool_ext_timing", default=None)


class _Clerk(Observer):
    def obtained(self, pool: Observed, waited: float, took: float) -> None:
        timing = _current.get()
        if timing is not None:
            timing.waited += took

    def refused(self, pool: Observed, waited: float, took: float, reason: str) -> None:
        self.obtained(pool, waited, took)

    def returned(self, pool: Observed, held: float) -> None:
        timing = _current.get()
        if timing is not None:
            timing.held += held


_clerk = _Clerk()


def wants_timing(get: Callable[[str, bool], Any], where: str = SETTING) -> bool:
    """Read the setting, and have pools observed if it is on; `get` is the mapping's.

    Raises `ConfigError` for what is neither True nor False.
    """
    value = get(SETTING, False)
    problem = problem_of(value, where)
    if problem is not None:
        raise ConfigError([problem])
    if value:
        add_observer(_clerk)
    return bool(value)


def problem_of(value: object, where: str = SETTING) -> Problem | None:
    """Say what is wrong with a value of the setting; None when it may be used."""
    if isinstance(value, bool):
        return None
    hint = "write True to send the header Server-Timing, False not to"
    return Problem("E014", where, f"{shown(value)} is no yes or no", hint)


def begin_timing() -> tuple[Timing, Timing | None]:
    """Take the time of the request that begins here; return it, and the one around it."""
    before, timing = _current.get(), Timing()
    _current.set(timing)
    return timing, before


def end_timing(before: Timing | None) -> None:
    """Go on with the request around this one, if there is one."""
    # Not ContextVar.reset(): a request may end in another context than it began in.
    _current.set(before)


def with_timing(existing: str | None, timing: Timing) -> str:
    """Return the header's value, behind what others have written there."""
    return f"{existing}, {timing.entries()}" if existing else timing.entries()
