"""Reads one pool's settings from the places where they may stand, and compares these.

The places: the URL's address, the URL's query, the pool's own settings, redis-py's
arguments. One setting may stand in several of them, if they agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from redis.connection import Connection

from ..problems import ConfigError, Problem, shown
from ..rule import Rule
from ..url_grammar import hide_secrets
from .rules import OPTION_RULES, POOL_RULES, REDIS_PY_ARGUMENTS, arguments_of
from .sentinel_settings import sentinel_problems
from .spelling import UNKNOWN, InCall, InMapping, hint_for_query
from .urls import ParsedUrl, example_for, read_url

__all__ = ["REFUSED", "Reader", "contradictions", "refusal"]

# redis-py's client-side cache lets one user read what another one's socket received.
REFUSED = ("cache", "cache_config")

# The one default that another setting can contradict.
_DEFAULTS = {"max_connections": 16, "queue_target": 0.1, "queue_interval": 1.0}

_NO_MORE_THAN = (
    ("min_idle", "max_connections"),
    ("min_idle", "max_idle"),
    ("queue_target", "queue_interval"),
)

_NAMES = REDIS_PY_ARGUMENTS | POOL_RULES.keys()

# Takes the name that is unknown, and the known ones.
Hint = Callable[[str, frozenset[str]], str]


def contradictions(found: Mapping[str, Any], spelled: Callable[[str], str]) -> list[Problem]:
    """Return what is wrong with sizes that are each possible and together are not.

    A size that is not in `found` has its default.
    """
    problems = []
    for less, more in _NO_MORE_THAN:
        low, high = (found.get(name, _DEFAULTS.get(name)) for name in (less, more))
        if low is not None and high is not None and low > high:
            message = f"{low} is more than {spelled(more)}, which is {high}"
            problems.append(Problem("E004", spelled(less), message, "lower one or raise the other"))
    kept = sum((found.get("reserved") or {}).values())
    most = found.get("max_connections", _DEFAULTS["max_connections"])
    if kept >= most:
        message = f"{kept} connections are all of {spelled('max_connections')}, which is {most}"
        hint = "leave at least one for everybody, or raise it"
        problems.append(Problem("E004", spelled("reserved"), message, hint))
    return problems


class Reader:
    """Reads one pool's settings and collects what is wrong with them."""

    def __init__(self, names: InMapping | InCall) -> None:
        self.problems: list[Problem] = []
        self._names = names
        self._found: dict[str, Any] = {}
        self._known: frozenset[str] | None = None

    def add(self, code: str, path: str, message: str, hint: str) -> None:
        """Note one problem."""
        self.problems.append(Problem(code, path, message, hint))

    def check_alias(self, path: str, alias: object) -> None:
        """Note an alias that is no name: it stands in messages, log lines and metrics."""
        if not isinstance(alias, str) or not alias or "://" in alias:
            self.add("E002", path, f"{shown(alias)} is not an alias", "give a name (str)")

    def read(
        self, url: object, pool: Mapping[str, Any], options: Mapping[Any, Any]
    ) -> dict[str, Any]:
        """Return the fields of `PoolConfig`, without the alias.

        `pool` holds the pool's own settings by their lower-case names, `options`
        redis-py's. Raises `ConfigError` with every problem noted so far.
        """
        parsed = self._read_url(url)
        self._known = _names_taken(options.get("connection_class"), parsed)
        if parsed is not None:
            self._found.update(parsed.options)
            for name, text in parsed.query.items():
                self._take_from_query(name, text)
        for name, value in pool.items():
            self._take(name, value, self._names.setting(name), POOL_RULES[name])
        for name, value in options.items():
            self._take_option(name, value)
        if parsed is not None:
            self._check_together(parsed)
        if self.problems or parsed is None:
            raise ConfigError(self.problems)
        own = {name: self._found.pop(name) for name in POOL_RULES if name in self._found}
        chosen = self._found.pop("connection_class", None) or parsed.connection_class
        return {**own, "url": url, "connection_class": chosen, "options": self._found}

    def _read_url(self, url: object) -> ParsedUrl | None:
        path = self._names.url
        if url is None:
            hint = "give the server's address, as in redis://localhost:6379/0"
            self.add("E005", path, "is missing", hint)
        elif not isinstance(url, str):
            self.add("E002", path, f"{shown(url)} is not a URL (str)", "give it as str")
        else:
            try:
                return read_url(url)
            except ValueError as error:
                hint = f"write it as {example_for(url)}"
                self.add("E006", path, f"{hide_secrets(url)!r} cannot be used: {error}", hint)
        return None

    def _take_from_query(self, name: str, text: str) -> None:
        is_name = name in _NAMES or (name.isidentifier() and text)
        # What is no name may be the rest of a password with an unescaped & in it.
        path = f"{self._names.url} ({name if is_name else '***'})"
        if name not in POOL_RULES and not self._is_option(name, path, UNKNOWN, hint_for_query):
            return
        rule = POOL_RULES.get(name) or OPTION_RULES.get(name)
        if rule is None and name in REDIS_PY_ARGUMENTS:
            hint = "it is an object: give it in Python, beside the URL"
            self.add("E007", path, "cannot be written in a URL", hint)
            return
        value = rule.from_text(text) if rule is not None else text
        self._take(name, value, path, rule, other="the address before it")

    def _take_option(self, name: Any, value: Any) -> None:
        path = self._names.option(name)
        names = self._names
        if self._is_option(name, path, names.unknown_option, names.hint_for_option):
            self._take(name, value, path, OPTION_RULES.get(name))

    def _take(
        self, name: str, value: Any, path: str, rule: Rule | None, other: str = "the URL"
    ) -> None:
        """Note the value, unless it breaks its rule or contradicts what stands elsewhere."""
        problem = rule.problem(path, value) if rule is not None else None
        if problem is not None:
            self.problems.append(problem)
            return
        before = self._found.setdefault(name, value)
        if before != value:
            secret = rule is not None and rule.secret
            values = "" if secret else f" ({shown(value)} here, {shown(before)} there)"
            self.add("E004", path, f"contradicts {other}{values}", "say it in one place only")

    def _is_option(self, name: Any, path: str, unknown: str, hint: Hint) -> bool:
        """Tell whether the connection takes this argument; note it when not."""
        known = self._known
        if name in REFUSED:
            self.problems.append(refusal(path))
            return False
        if isinstance(name, str) and name not in POOL_RULES and (known is None or name in known):
            return True
        if str(name).startswith("ssl") and "ssl_ca_certs" not in (known or ()):
            way_out = "TLS needs a rediss:// URL"
        else:
            way_out = hint(str(name), known or frozenset())
        self.add("E007", path, unknown, way_out)
        return False

    def _check_together(self, parsed: ParsedUrl) -> None:
        """Note what is right by itself and impossible together."""
        found, expected = self._found, parsed.connection_class
        self.problems += contradictions(found, self._names.setting)
        chosen = found.get("connection_class") or expected
        # redis:// promises nothing that another class could break; rediss:// promises TLS.
        if expected is not Connection and not issubclass(chosen, expected):
            message = f"{chosen.__name__} is not a {expected.__name__}, as the URL asks for"
            path = self._names.option("connection_class")
            self.add("E004", path, message, "leave it out, or change the URL's scheme")
        self.problems += sentinel_problems(found, self._names.option)
        if found.get("credential_provider") and (found.get("username") or found.get("password")):
            path = self._names.option("credential_provider")
            message = "contradicts the user name or password that is given as well"
            self.add("E004", path, message, "give one or the other")


def refusal(path: str) -> Problem:
    """Return what is wrong with one of the REFUSED arguments."""
    way_out = "leave it out, and cache in the application instead"
    return Problem("E007", path, "client-side caching mixes users' replies", way_out)


def _names_taken(connection_class: Any, parsed: ParsedUrl | None) -> frozenset[str] | None:
    """Return the names of a connection's arguments; None when it takes anything."""
    if not isinstance(connection_class, type):
        connection_class = parsed.connection_class if parsed is not None else None
    return arguments_of(connection_class) if connection_class else REDIS_PY_ARGUMENTS
