"""Settings: one frozen record per pool, and the one reader that makes it.

Django, Flask and plain programs hand the same mapping to `read_settings`. Whatever is
wrong is an error that names the setting, its value and the way out; nothing is repaired
in silence. What is handed on to redis-py keeps redis-py's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from .problems import ConfigError, Problem, shown
from .settings.reader import REFUSED, Reader, contradictions, refusal
from .settings.rules import POOL_RULES
from .settings.spelling import KEYS, InCall, InMapping, hint_for_key

__all__ = [
    "ConfigError",
    "PoolConfig",
    "Problem",
    "check_connection_arguments",
    "check_pool_arguments",
    "find_problems",
    "read_settings",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """One entry of `REDIS_POOLS`, checked.

    Two records are equal when they ask for the same pool, wherever each setting was
    written: what a URL says is in the other fields, so `url` itself does not count.
    `url` and `options` may hold credentials and are left out of the repr.
    """

    alias: str = "default"
    url: str = field(repr=False, compare=False)
    max_connections: int = 16
    timeout: float = 2.0
    max_waiting: int | None = None
    queue_discipline: str = "fifo"
    queue_target: float = 0.1
    queue_interval: float = 1.0
    reserved: Mapping[str, int] | None = None
    max_connecting: int = 2
    hold: str = "request"
    min_idle: int = 0
    max_idle: int | None = None
    idle_timeout: float | None = 300.0
    max_lifetime: float | None = 1800.0
    validate_after: float | None = 30.0
    leak_detection_threshold: float | None = None
    housekeeping_interval: float | None = 30.0
    connection_class: type[Any]
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __hash__(self) -> int:
        # Each request looks its pool up by this record: a quarter of what hashing all costs.
        return hash(self.alias)

    @classmethod
    def from_url(cls, url: str, *, alias: str = "default", **arguments: Any) -> Self:
        """Return the record for a URL and the arguments of `RedisPool`.

        Raises `ConfigError`.
        """
        pool = {name: value for name, value in arguments.items() if name in POOL_RULES}
        options = {name: value for name, value in arguments.items() if name not in POOL_RULES}
        reader = Reader(InCall())
        reader.check_alias("alias", alias)
        return cls(alias=alias, **reader.read(url, pool, options))

    @property
    def is_cluster(self) -> bool:
        """Tell whether it is a `ClusterPool` that this describes."""
        return "startup_nodes" in self.options

    def require_one_server(self, kind: str) -> None:
        """Raise `ConfigError` for a cluster: a pool of this kind would take one node for all."""
        if self.is_cluster:
            path = f"REDIS_POOLS[{self.alias!r}]['URL']"
            hint = "use get_pool(), get_redis() or request.redis, or make a ClusterPool"
            message = f"is of a Redis Cluster, which has no {kind}"
            raise ConfigError([Problem("E006", path, message, hint)])

    def pool_arguments(self) -> dict[str, Any]:
        """Return the arguments of `RedisPool` for this record."""
        own = ("alias", "connection_class", *POOL_RULES)
        return {**self.options, **{name: getattr(self, name) for name in own}}


def read_settings(settings: object, where: str = "REDIS_POOLS") -> dict[str, PoolConfig]:
    """Read a `REDIS_POOLS` mapping: `{alias: {"URL": ..., ...}}` or `{alias: url}`.

    `where` names the mapping in messages. Raises `ConfigError` with every problem found.
    """
    if not isinstance(settings, Mapping):
        message = f"{shown(settings)} is not a mapping of alias to URL or settings"
        hint = "give one, as in {'default': 'redis://localhost:6379/0'}"
        raise ConfigError([Problem("E002", where, message, hint)])
    configs: dict[str, PoolConfig] = {}
    problems: list[Problem] = []
    for alias, entry in settings.items():
        try:
            configs[alias] = _read_entry(alias, entry, f"{where}[{shown(alias)}]")
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
    found = [POOL_RULES[name].problem(name, value) for name, value in arguments.items()]
    problems = [problem for problem in found if problem is not None]
    if not problems:
        problems = contradictions(arguments, InCall().setting)
    if problems:
        raise ConfigError(problems)


def check_connection_arguments(arguments: Mapping[str, Any]) -> None:
    """Raise `ConfigError` where redis-py's arguments ask for what no lease can have."""
    problems = [refusal(name) for name in REFUSED if name in arguments]
    if problems:
        raise ConfigError(problems)


def _read_entry(alias: Any, entry: object, path: str) -> PoolConfig:
    """Read one entry of the mapping. Raises `ConfigError`."""
    reader = Reader(InMapping(path, is_url_alone=isinstance(entry, str)))
    reader.check_alias(path, alias)
    if isinstance(entry, str):
        return PoolConfig(alias=alias, **reader.read(entry, {}, {}))
    if not isinstance(entry, Mapping):
        hint = "give one; if it comes from the environment, see that the variable is set"
        reader.add("E002", path, f"{shown(entry)} is not a URL or a mapping of settings", hint)
        raise ConfigError(reader.problems)
    for key in entry:
        if key not in KEYS:
            reader.add("E001", f"{path}[{shown(key)}]", "is not a setting", hint_for_key(key))
    options = entry.get("OPTIONS", {})
    if not isinstance(options, Mapping):
        hint = "give redis-py's arguments by their names, as in {'socket_timeout': 1.0}"
        # Only its type: a text here most likely holds what the options should hold.
        kind = f"a value of type {type(options).__name__}"
        reader.add("E002", f"{path}['OPTIONS']", f"{kind} is not a mapping", hint)
        options = {}
    pool = {name: entry[name.upper()] for name in POOL_RULES if name.upper() in entry}
    return PoolConfig(alias=alias, **reader.read(entry.get("URL"), pool, options))
