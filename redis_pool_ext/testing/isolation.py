"""A process with pools of its own for one test: what configures them, and what is put back.

Pools are replaced where they are made, by the settings that ask for them. So it does not matter
whose these are: Django's, also within `override_settings`, a Flask app's, or `configure()`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

import redis

from ..aio import loops
from ..config import ConfigError, PoolConfig, Problem, read_settings
from ..problems import shown
from ..process import configs, put_aside
from ..settings.rules import arguments_of

__all__ = ["StandIn", "configs_for", "isolated", "options_for_another"]

StandIn = Callable[[PoolConfig], PoolConfig]

# Of the server that is replaced: the one in its place asks nobody who they are.
_CREDENTIALS = frozenset({"connection_class", "credential_provider", "password", "username"})


# Of servers that there are not, so that each pool without an address has one of its own.
_numbers = count(1)


@contextmanager
def isolated(stand_in: StandIn, configs: Mapping[str, PoolConfig]) -> Iterator[None]:
    """Begin with these settings and no pools, which are made as `stand_in` says.

    At the end they are closed; pools and configuration are again what they were.
    """
    put_back, put_back_async = put_aside(stand_in, configs), loops.put_aside()
    try:
        yield
    finally:
        put_back_async()
        put_back()


def configs_for(pools: tuple[Any, ...], where: str) -> dict[str, PoolConfig]:
    """Return the settings that a test asks for: a mapping, or the names of pools.

    Pools that the process has are as configured, named or not. A pool in a mapping need not
    have a URL, and one that is only named has none. Raises `ConfigError`.
    """
    if len(pools) == 1 and isinstance(pools[0], Mapping):
        given = {alias: _with_address(entry) for alias, entry in pools[0].items()}
        return read_settings(given, f"{where}()")
    for name in pools:
        if not isinstance(name, str) or not name or "://" in name:
            message = f"{shown(name)} is neither the name of a pool nor a mapping of settings"
            hint = "give names, or one mapping as in REDIS_POOLS"
            raise ConfigError([Problem("E002", f"{where}()", message, hint)])
    known = dict(configs())
    names = pools if pools or known else ("default",)
    return read_settings({name: _no_address() for name in names}, f"{where}()") | known


def _no_address() -> str:
    return f"redis://no-server-{next(_numbers)}/0"


def _with_address(entry: Any) -> Any:
    if isinstance(entry, Mapping) and "URL" not in entry:
        return {"URL": _no_address(), **entry}
    return entry


def options_for_another(config: PoolConfig, where: str) -> dict[str, Any]:
    """Return the options that connections to any server take, without its credentials.

    Raises `ConfigError` for a cluster.
    """
    if config.is_cluster:
        path = f"REDIS_POOLS[{config.alias!r}]['URL']"
        hint = "test it on a cluster, or configure one server for the test"
        message = f"is of a Redis Cluster, and {where}() has no stand-in for one"
        raise ConfigError([Problem("E006", path, message, hint)])
    taken = (arguments_of(redis.Connection) or frozenset()) - _CREDENTIALS
    return {name: value for name, value in config.options.items() if name in taken}
