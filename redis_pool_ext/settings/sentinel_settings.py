"""What may stand in the settings of a pool that asks Sentinels, and what may not beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..problems import Problem, did_you_mean, shown
from ..rule import Rule
from .rules import OPTION_RULES, REDIS_PY_ARGUMENTS

__all__ = ["sentinel_problems"]

# A Sentinel has no database, and what it answers is for this package to read.
_ARGUMENTS = {
    "client_name",
    "credential_provider",
    "password",
    "socket_connect_timeout",
    "socket_keepalive",
    "socket_keepalive_options",
    "socket_timeout",
    "ssl",
    "username",
    *(name for name in REDIS_PY_ARGUMENTS if name.startswith("ssl_")),
}
_RULES: dict[str, Rule] = {
    **OPTION_RULES,
    "password": OPTION_RULES["username"],  # no function: it is asked in the middle of a search
    "ssl": OPTION_RULES["decode_responses"],
}


def sentinel_problems(found: Mapping[str, Any], option: Callable[[str], str]) -> Iterator[Problem]:
    """Yield what is wrong with these settings; `option` returns the path of one."""
    if "sentinels" not in found:
        return
    for name in ("host", "port"):
        if name in found:
            message = "contradicts the URL, whose Sentinels say where the server is"
            yield Problem("E004", option(name), message, "leave it out")
    given = found.get("sentinel_kwargs") or {}
    for name, value in given.items():
        problem = _problem(name, value, given, f"{option('sentinel_kwargs')}[{shown(name)}]")
        if problem is not None:
            yield problem


def _problem(name: Any, value: Any, given: Mapping[Any, Any], path: str) -> Problem | None:
    if name not in _ARGUMENTS:
        hint = f"sentinel_kwargs holds redis-py's own names{did_you_mean(name, _ARGUMENTS)}"
        return Problem("E007", path, "is not an argument of a connection to a Sentinel", hint)
    if str(name).startswith("ssl_") and not given.get("ssl"):
        return Problem("E007", path, "has no effect without TLS", "add 'ssl': True beside it")
    rule = _RULES.get(name)
    return rule.problem(path, value) if rule is not None else None
