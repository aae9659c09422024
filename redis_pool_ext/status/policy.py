"""What a readiness probe asks for: which pools, in how much time, and what is not to fail it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ..config import ConfigError, Problem
from ..problems import did_you_mean, shown

__all__ = ["SETTING", "HealthPolicy", "find_problems"]

SETTING = "REDIS_POOL_HEALTH"

# The states in which a pool is no reason to send requests elsewhere, and those in which it is.
GOOD = ("ok", "busy")
BAD = ("saturated", "paused", "unreachable", "closed", "unknown")

_KEYS = ("POOLS", "DEGRADED", "TIMEOUT", "DETAILS")
_MOST_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    """How readiness is told.

    `pools` are the aliases that are looked at (None: all that are configured), `degraded` the
    states that are told and do not fail, `timeout` the seconds that there are for all pools
    together; with `details` the numbers of each pool are told, too.
    """

    pools: tuple[str, ...] | None = None
    degraded: frozenset[str] = frozenset()
    timeout: float = 1.0
    details: bool = False

    @classmethod
    def read(cls, settings: object, where: str = SETTING) -> Self:
        """Read a `REDIS_POOL_HEALTH` mapping. Raises `ConfigError` with every problem found."""
        problems = find_problems(settings, where)
        if problems:
            raise ConfigError(problems)
        assert isinstance(settings, Mapping)
        pools = settings.get("POOLS")
        return cls(
            pools=None if pools is None else tuple(dict.fromkeys(pools)),  # each once
            degraded=frozenset(settings.get("DEGRADED", ())),
            timeout=float(settings.get("TIMEOUT", 1.0)),
            details=settings.get("DETAILS", False),
        )

    def asked(self, query: Mapping[str, str]) -> Self:
        """Return this policy as a visitor wants it: `?pools=default&degraded=saturated`.

        Nothing that he may not choose: it is his answer alone that differs. Raises `ConfigError`.
        """
        chosen: dict[str, Any] = {
            name.upper(): [each for each in query[name].split(",") if each]
            for name in ("pools", "degraded")
            if name in query
        }
        own = {"TIMEOUT": self.timeout, "DETAILS": self.details, "POOLS": self.pools}
        return self.read({**own, "DEGRADED": tuple(self.degraded), **chosen}, "?")


def find_problems(settings: object, where: str = SETTING) -> list[Problem]:
    """Return what `HealthPolicy.read` would raise."""
    if not isinstance(settings, Mapping):
        hint = f"give one, as in {SETTING} = {{'POOLS': ['default']}}"
        return [_problem(where, f"{shown(settings)} is not a mapping", hint)]
    found = [_unknown(where, name, _KEYS) for name in settings if name not in _KEYS]
    found += _names(settings.get("POOLS"), f"{where}['POOLS']", none=True)
    found += _names(settings.get("DEGRADED", ()), f"{where}['DEGRADED']", known=BAD)
    return found + _timeout(settings, where) + _details(settings, where)


def _names(
    value: object, path: str, *, known: tuple[str, ...] | None = None, none: bool = False
) -> list[Problem]:
    if value is None and none:
        return []
    names = list(value) if isinstance(value, list | tuple | set | frozenset) else None
    if names is None or (none and not names) or not all(isinstance(each, str) for each in names):
        return [_problem(path, f"{shown(value)} is not a list of names", "write ['default']")]
    return [_unknown(path, each, known) for each in names if known and each not in known]


def _timeout(settings: Mapping[str, Any], where: str) -> list[Problem]:
    value = settings.get("TIMEOUT", 1.0)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 < value <= _MOST_SECONDS:
        return []
    hint = f"give more than 0 and at most {_MOST_SECONDS:g}, less than who asks waits for"
    return [_problem(f"{where}['TIMEOUT']", f"{shown(value)} is no number of seconds", hint)]


def _details(settings: Mapping[str, Any], where: str) -> list[Problem]:
    value = settings.get("DETAILS", False)
    if isinstance(value, bool):
        return []
    return [_problem(f"{where}['DETAILS']", f"{shown(value)} is not True or False", "write one")]


def _unknown(path: str, name: object, known: tuple[str, ...]) -> Problem:
    hint = f"known are {', '.join(known)}{did_you_mean(name, known)}"
    return _problem(path, f"{shown(name)} is not known", hint)


def _problem(path: str, message: str, hint: str) -> Problem:
    return Problem("E012", path, message, hint)
