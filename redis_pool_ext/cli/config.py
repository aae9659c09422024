"""`config`: each pool as understood, every setting, credentials hidden."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..config import PoolConfig
from ..pooling.interface import PoolInterface
from ..settings.rules import OPTION_RULES, POOL_RULES
from ..status.projects import address_of
from . import fleet
from .run import Task
from .servers import configs_of

__all__ = ["gather", "is_fine", "show"]

_DEFAULTS = {each.name: each.default for each in fields(PoolConfig)}

# Said even where they are redis-py's own: what one looks for first.
_ASKED_FOR = (
    "socket_timeout", "socket_connect_timeout", "socket_keepalive", "health_check_interval",
    "client_name", "protocol", "decode_responses",
)  # fmt: skip
# They are told as the server's address.
_IN_ADDRESS = frozenset({"host", "port", "db", "path", "startup_nodes", "sentinels"})
_SECRET = "set (hidden)"


def gather(task: Task) -> dict[str, Any]:
    """Return the settings, of the project or of the processes that answer."""
    if task.project.pools is None and task.options.url is None:
        return {"pools": _of_processes(task)}
    return {"pools": [_of_config(each) for each in configs_of(task).values()]}


def is_fine(data: dict[str, Any]) -> bool:
    """Tell: settings that were read are fine; wrong ones have ended the command before."""
    return True


def show(data: dict[str, Any], task: Task) -> None:
    """Draw the tables."""
    from .config_tables import draw

    draw(data, task.output.console(), fleet.nobody_answers(task))


def _of_config(config: PoolConfig) -> dict[str, Any]:
    own = {name: _entry(getattr(config, name), _DEFAULTS[name]) for name in POOL_RULES}
    return {
        "alias": config.alias,
        "server": address_of(config.options, config.connection_class),
        "connection_class": config.connection_class.__name__,
        "pid": None,
        "settings": own | _options(config),
    }


def _options(config: PoolConfig) -> dict[str, dict[str, Any]]:
    given = {
        name: {"value": _shown(name, value), "is_default": False}
        for name, value in sorted(config.options.items())
        if name not in _IN_ADDRESS
    }
    usual = {
        name: {"value": value, "is_default": True}
        for name, value in _usual(config).items()
        if name not in given
    }
    return given | usual


def _usual(config: PoolConfig) -> Mapping[str, Any]:
    """Return what a connection takes of its own accord, as far as that is told."""
    # With the pool's own defaults in it, keepalive say.
    kwargs = PoolInterface(config.connection_class, dict(config.options)).connection_kwargs
    made = {name: kwargs.get(name) for name in _ASKED_FOR}
    return {name: _shown(name, value) for name, value in made.items()}


def _entry(value: Any, default: Any) -> dict[str, Any]:
    return {"value": value, "is_default": value == default}


def _shown(name: str, value: Any) -> Any:
    """Return a value of redis-py's as plain data, without what may be secret."""
    rule = OPTION_RULES.get(name)
    if rule is None or rule.secret:
        # What no rule is known for may hold anything.
        return None if value is None else _SECRET
    if isinstance(value, enum.Enum):
        return value.name
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.__name__ if isinstance(value, type) else f"a {type(value).__name__}"


def _of_processes(task: Task) -> list[dict[str, Any]]:
    answered, _ = fleet.split(fleet.ask(task))
    return [
        {
            "alias": pool["alias"],
            "server": pool["server"],
            "connection_class": None,
            "pid": report["process"]["pid"],
            "settings": {
                name: {"value": value, "is_default": value == _DEFAULTS.get(name, _NO_DEFAULT)}
                for name, value in pool["settings"].items()
            },
        }
        for report in answered
        for pool in report["pools"]
    ]


_NO_DEFAULT = object()
