"""`isolated_pools`: the process' pools, on a real server where nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import redis

from ..config import ConfigError, PoolConfig, Problem
from ..embedded import EmbeddedRedis
from ..problems import shown
from ..status.projects import address_of
from .blocks import block
from .claims import claimed
from .isolation import StandIn, configs_for, isolated, options_for_another
from .own_server import DATABASES, PER_SERVER, borrowed_server

__all__ = ["isolated_pools"]

_WHERE = "isolated_pools"
# What of the settings says where the server is, and who asks.
_OF_SERVER = ("connection_class", "db", "host", "password", "path", "port", "username")


@block
def isolated_pools(server: str | Mapping[str, Any] | None = None) -> Iterator[str | None]:
    """Have all pools of the process on a real server with nothing stored, and put it all back.

    Without an argument that is a redis-server of this process' own (`redis_pool_ext.embedded`),
    on another port in each process: those that the settings name are not touched. Else it is
    the one at a URL, or in a mapping as in `REDIS_POOLS` those for each pool. There the
    database has to be empty, and is emptied at the end; nothing else on that server is
    touched, and no other process may test there. Settings are the real ones otherwise, as
    with `fake_pools`. The value is the server's URL; None for a mapping.

    Raises `NoRedisServerError`, `PoolUnavailableError`; `ConfigError` for a database with
    something in it, and to whoever asks for a pool that has no server here (a cluster's too).
    """
    with ExitStack() as stack:
        url, configs, stand_in = _arrange(server, stack)
        stack.enter_context(isolated(stand_in, configs))
        yield url


def _arrange(
    server: str | Mapping[str, Any] | None, stack: ExitStack
) -> tuple[str | None, Mapping[str, PoolConfig], StandIn]:
    if server is None:
        own = stack.enter_context(borrowed_server())
        return own.url, configs_for((), _WHERE), _Own(own).in_place_of
    if isinstance(server, str):
        given = PoolConfig.from_url(server)
        options_for_another(given, _WHERE)  # which refuses a cluster
        stack.enter_context(claimed(given))
        return server, configs_for((), _WHERE), _AtUrl(given).in_place_of
    if not isinstance(server, Mapping):
        message = f"{shown(server)} is neither a URL nor a mapping of settings"
        hint = "give one, or nothing for a server of the test's own"
        raise ConfigError([Problem("E002", f"{_WHERE}()", message, hint)])
    return None, *_as_mapped(server, stack)


class _Own:
    """A server of ours in place of all others, each of which has its databases there."""

    def __init__(self, server: EmbeddedRedis) -> None:
        self._server = server
        self._addresses: list[str] = []

    def in_place_of(self, config: PoolConfig) -> PoolConfig:
        options = options_for_another(config, _WHERE)
        address = address_of({**config.options, "db": 0}, config.connection_class)
        if address not in self._addresses:
            self._addresses.append(address)
        db = self._addresses.index(address) * PER_SERVER + int(options.get("db") or 0)
        if db >= DATABASES:
            message = f"{len(self._addresses)} servers are too many for one to stand in for"
            hint = "give isolated_pools() a mapping of settings"
            raise ConfigError([Problem("E004", f"{_WHERE}()", message, hint)])
        options |= {"host": self._server.host, "port": self._server.port, "db": db}
        return replace(config, connection_class=redis.Connection, options=options)


class _AtUrl:
    """One database in place of the one that is configured."""

    def __init__(self, given: PoolConfig) -> None:
        self._given = given
        self._address: str | None = None

    def in_place_of(self, config: PoolConfig) -> PoolConfig:
        address = address_of(config.options, config.connection_class)
        if self._address not in (None, address):
            message = "one database cannot stand in for several"
            hint = f"give a mapping, with a URL for {config.alias!r} as well"
            raise ConfigError([Problem("E004", f"{_WHERE}(url)", message, hint)])
        self._address = address
        return _at(self._given, config)


def _as_mapped(
    settings: Mapping[str, Any], stack: ExitStack
) -> tuple[Mapping[str, PoolConfig], StandIn]:
    """Claim each database of these settings; pools are where their alias is there."""
    from ..config import read_settings

    configs = read_settings(settings, f"{_WHERE}()")
    each = {address_of(one.options, one.connection_class): one for one in configs.values()}
    for config in each.values():
        options_for_another(config, _WHERE)
        stack.enter_context(claimed(config))

    def in_place_of(config: PoolConfig) -> PoolConfig:
        if config.alias not in configs:
            message = f"has no server for the pool {config.alias!r}"
            raise ConfigError([Problem("E008", f"{_WHERE}()", message, "add it to the mapping")])
        return _at(configs[config.alias], config)

    return configs, in_place_of


def _at(server: PoolConfig, config: PoolConfig) -> PoolConfig:
    """Return settings with another's server."""
    options = options_for_another(config, _WHERE)
    kept = {name: value for name, value in options.items() if name not in _OF_SERVER}
    kept |= server.options
    return replace(config, connection_class=server.connection_class, options=kept)
