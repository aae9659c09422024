"""Settings: one frozen record per pool, and the one reader that makes it.

Django, Flask and plain programs hand the same mapping to `read_settings`. Whatever is
wrong is an error that names the setting, its value and the way out; nothing is repaired
in silence. What is handed on to redis-py keeps redis-py's name.
"""

from __future__ import annotations

import inspect
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple, Self

from .urls import ParsedUrl, hide_secrets, read_url

__all__ = [
    "ConfigError",
    "PoolConfig",
    "Problem",
    "check_pool_arguments",
    "find_problems",
    "read_settings",
]


class Problem(NamedTuple):
    """One thing wrong with the settings; `code` is stable and documented."""

    code: str
    path: str
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}; {self.hint}"


class ConfigError(ValueError):
    """Settings that cannot be used, all problems at once in `problems`."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """One entry of `REDIS_POOLS`, checked.

    `url` and `options` may hold credentials and are left out of the repr.
    """

    alias: str = "default"
    url: str = field(repr=False)
    max_connections: int = 16
    timeout: float = 2.0
    max_waiting: int | None = None
    max_connecting: int = 2
    hold: str = "request"
    connection_class: type[Any]
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_url(cls, url: str, *, alias: str = "default", **arguments: Any) -> Self:
        """Return the record for a URL and the arguments of `RedisPool`.

        Raises `ConfigError`.
        """
        entry: dict[str, Any] = {"URL": url, "OPTIONS": {}}
        for name, value in arguments.items():
            target, key = (entry, name.upper()) if name.upper() in _RULES else (entry["OPTIONS"], name)
            target[key] = value
        reader = _Reader(alias, lambda key: key if key.islower() else key.lower())
        return cls(**reader.read(entry))

    def pool_arguments(self) -> dict[str, Any]:
        """Return the arguments of `RedisPool` for this record."""
        own = ("alias", "connection_class", "max_connections", "timeout")
        own += ("max_waiting", "max_connecting", "hold")
        return {**self.options, **{name: getattr(self, name) for name in own}}


def read_settings(settings: object, where: str = "REDIS_POOLS") -> dict[str, PoolConfig]:
    """Read a `REDIS_POOLS` mapping: `{alias: {"URL": ..., ...}}` or `{alias: url}`.

    `where` names the mapping in messages. Raises `ConfigError` with every problem found.
    """
    configs: dict[str, PoolConfig] = {}
    problems: list[Problem] = []
    if not isinstance(settings, Mapping):
        raise ConfigError([_wrong_type(where, settings, "a mapping of alias to URL or settings")])
    for alias, entry in settings.items():
        path = f"{where}[{alias!r}]"
        try:
            if not isinstance(alias, str) or not alias:
                raise ConfigError([_wrong_type(path, alias, "a name (str)")])
            reader = _Reader(alias, _keys_below(path))
            configs[alias] = PoolConfig(**reader.read(entry))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return configs


def find_problems(settings: object, where: str = "REDIS_POOLS") -> list[Problem]:
    """Return what `read_settings` would raise."""
    try:
        read_settings(settings, where)
    except ConfigError as error:
        return error.problems
    return []


def check_pool_arguments(**arguments: Any) -> None:
    """Raise `ConfigError` where an argument of `RedisPool` is impossible."""
    problems = [
        problem
        for name, value in arguments.items()
        for problem in _RULES[name.upper()](name, value)
    ]
    if problems:
        raise ConfigError(problems)


# -- rules: one per setting, each yields the problems with a value -----------------------

Rule = Callable[[str, Any], Iterator[Problem]]


def _whole(minimum: int, *, none: bool = False) -> Rule:
    def check(path: str, value: Any) -> Iterator[Problem]:
        if none and value is None:
            return
        if not isinstance(value, int) or isinstance(value, bool):
            yield _wrong_type(path, value, "a whole number" + (" or None" if none else ""))
        elif value < minimum:
            yield Problem("E003", path, f"{value} is too small", f"the least is {minimum}")

    return check


def _seconds(*, none: bool = False) -> Rule:
    def check(path: str, value: Any) -> Iterator[Problem]:
        if none and value is None:
            return
        if not isinstance(value, int | float) or isinstance(value, bool):
            yield _wrong_type(path, value, "a number of seconds" + (" or None" if none else ""))
        elif math.isnan(value) or not 0 <= value <= threading.TIMEOUT_MAX:
            hint = "give seconds from 0 (do not wait) up; for ever is not on offer"
            yield Problem("E003", path, f"{value} is not a time that one can wait", hint)

    return check


def _one_of(*choices: str) -> Rule:
    def check(path: str, value: Any) -> Iterator[Problem]:
        if value not in choices:
            hint = f"use one of {', '.join(map(repr, choices))}{_did_you_mean(value, choices)}"
            yield Problem("E003", path, f"{value!r} is not known", hint)

    return check


def _of_type(kind: type[Any], name: str, *, none: bool = True, secret: bool = False) -> Rule:
    def check(path: str, value: Any) -> Iterator[Problem]:
        if not isinstance(value, kind) and not (none and value is None):
            yield _wrong_type(path, "***" if secret else value, name)

    return check


_RULES: dict[str, Rule] = {
    "MAX_CONNECTIONS": _whole(1),
    "TIMEOUT": _seconds(),
    "MAX_WAITING": _whole(0, none=True),
    "MAX_CONNECTING": _whole(1),
    "HOLD": _one_of("request", "command"),
}
_KEYS = ("URL", *_RULES, "OPTIONS")

_OPTION_RULES: dict[str, Rule] = {
    "db": _whole(0),
    "port": _whole(1),
    "protocol": _whole(2, none=True),
    "socket_timeout": _seconds(none=True),
    "socket_connect_timeout": _seconds(none=True),
    "health_check_interval": _seconds(),
    "decode_responses": _of_type(bool, "True or False", none=False),
    "socket_keepalive": _of_type(bool, "True, False or None"),
    "host": _of_type(str, "a host name (str)"),
    "username": _of_type(str, "a text (str)", secret=True),
    "password": _of_type(str, "a text (str)", secret=True),
    "client_name": _of_type(str, "a text (str)"),
    "encoding": _of_type(str, "the name of an encoding (str)", none=False),
}
_SECRET = frozenset({"password", "username", "ssl_password", "credential_provider"})
# redis-py's client-side cache lets one user read what another one's socket received.
_REFUSED = ("cache", "cache_config")


class _Reader:
    """Reads one entry, collecting problems; `path` spells a key as its user wrote it."""

    def __init__(self, alias: str, path: Callable[[str], str]) -> None:
        self.alias = alias
        self.path = path
        self.problems: list[Problem] = []

    def read(self, entry: object) -> dict[str, Any]:
        """Return the fields of `PoolConfig`; raises `ConfigError`."""
        if isinstance(entry, str):
            entry = {"URL": entry}
        if not isinstance(entry, Mapping):
            expected = "a URL or a mapping of settings"
            raise ConfigError([_wrong_type(self.path(""), entry, expected)])
        for key in entry:
            if key not in _KEYS:
                self._unknown_key(str(key))
        parsed = self._url(entry)
        pool = self._pool(entry, parsed)
        options = self._options(entry.get("OPTIONS", {}), parsed)
        if self.problems or parsed is None:
            raise ConfigError(self.problems)
        connection_class = options.pop("connection_class", parsed.connection_class)
        fixed = {"alias": self.alias, "url": entry["URL"], "connection_class": connection_class}
        return {**fixed, **pool, "options": options}

    def _url(self, entry: Mapping[str, Any]) -> ParsedUrl | None:
        path, url = self.path("URL"), entry.get("URL")
        if url is None:
            hint = "give the server's address, as in redis://localhost:6379/0"
            self._add("E005", path, "is missing", hint)
        elif not isinstance(url, str):
            self.problems.append(_wrong_type(path, type(url).__name__, "a URL (str)"))
        else:
            try:
                return read_url(url)
            except ValueError as error:
                hint = "write it as redis://user:password@host:6379/0"
                self._add("E006", path, f"{hide_secrets(url)!r} is not usable: {error}", hint)
        return None

    def _pool(self, entry: Mapping[str, Any], parsed: ParsedUrl | None) -> dict[str, Any]:
        """Merge the pool's own settings from the mapping and from the URL's query."""
        written = {key.lower(): entry[key] for key in _RULES if key in entry}
        in_url = parsed.pool if parsed else {}
        for name, value in in_url.items():
            self.problems += _RULES[name.upper()](f"{self.path('URL')} ({name})", value)
            self._contradiction(name.upper(), written.get(name, value), value)
        for name, value in written.items():
            self.problems += _RULES[name.upper()](self.path(name.upper()), value)
        return {**in_url, **written}

    def _options(self, written: object, parsed: ParsedUrl | None) -> dict[str, Any]:
        """Merge redis-py's arguments from OPTIONS and from the URL."""
        if not isinstance(written, Mapping):
            self.problems.append(_wrong_type(self.path("OPTIONS"), written, "a mapping"))
            return {}
        if parsed is None:
            return {}
        connection_class = written.get("connection_class", parsed.connection_class)
        known = _arguments_of(connection_class)
        for name, value in {**parsed.options, **written}.items():
            in_options = name in written
            path = self.path(f"OPTIONS.{name}") if in_options else f"{self.path('URL')} ({name})"
            if name in _REFUSED:
                hint = "leave it out; cache in the application instead"
                self._add("E007", path, "client-side caching mixes users' replies", hint)
            elif known is not None and name not in known:
                self._unknown_option(path, str(name), known)
            elif name in _OPTION_RULES:
                self.problems += _OPTION_RULES[name](path, value)
            if in_options and name in parsed.options:
                self._contradiction(f"OPTIONS.{name}", value, parsed.options[name])
        return {**parsed.options, **written}

    def _contradiction(self, key: str, written: Any, in_url: Any) -> None:
        if written == in_url:
            return
        secret = key.rpartition(".")[2] in _SECRET
        values = "" if secret else f" ({written!r} here, {in_url!r} in the URL)"
        hint = "say it in one place only"
        self._add("E004", self.path(key), f"contradicts the URL{values}", hint)

    def _unknown_key(self, key: str) -> None:
        if key.upper() in ("LOCATION", "HOST", "BACKEND"):
            hint = "the address goes into URL"
        elif key.lower() in _OPTION_RULES:
            hint = f"it is redis-py's: put it into OPTIONS as {key.lower()!r}"
        else:
            hint = f"known are {', '.join(_KEYS)}{_did_you_mean(key.upper(), _KEYS)}"
        self._add("E001", self.path(key), "is not a setting", hint)

    def _unknown_option(self, path: str, name: str, known: frozenset[str]) -> None:
        if name.upper() in _RULES:
            hint = f"it is the pool's: write {name.upper()} beside URL"
        else:
            hint = f"see redis-py's connection arguments{_did_you_mean(name, known)}"
        self._add("E007", path, "is not an argument of redis-py's connection", hint)

    def _add(self, code: str, path: str, message: str, hint: str) -> None:
        self.problems.append(Problem(code, path, message, hint))


def _keys_below(path: str) -> Callable[[str], str]:
    def spell(key: str) -> str:
        return path + "".join(f"[{part!r}]" for part in key.split(".") if part)

    return spell


def _wrong_type(path: str, value: Any, expected: str) -> Problem:
    shown = hide_secrets(value) if isinstance(value, str) else value
    return Problem("E002", path, f"{shown!r} is of the wrong type", f"it must be {expected}")


def _did_you_mean(name: Any, known: Any) -> str:
    near = get_close_matches(str(name), sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


@lru_cache(maxsize=64)
def _arguments_of(connection_class: type[Any]) -> frozenset[str] | None:
    """Return the names that a connection class takes; None when it takes anything."""
    names: set[str] = {"connection_class"}
    for cls in connection_class.__mro__:
        if cls is object or "__init__" not in vars(cls):
            continue
        parameters = inspect.signature(cls.__init__).parameters.values()
        names.update(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return frozenset(names - {"self"})
    return None
