"""`fake_pools`: the process' pools, on servers in its own memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from ..config import ConfigError, PoolConfig, Problem
from ..status.projects import address_of
from .blocks import block
from .isolation import configs_for, isolated, options_for_another

__all__ = ["fake_pools"]


@block
def fake_pools(*pools: str | Mapping[str, Any]) -> Iterator[None]:
    """Have all pools of the process on fakeredis, with nothing stored, and put it all back.

    Their settings are the real ones (MAX_CONNECTIONS, TIMEOUT, ...): only the server is
    another one, and each server that is configured has a fake of its own. Without arguments
    these are the pools that are configured, or one "default"; names add some with default
    settings; a mapping as in `REDIS_POOLS` (URL may be left out) is in place of what is
    configured. A pool that is configured inside, by `override_settings` or a Flask app, is on
    fakeredis as well; one that is made by hand is not.

    Raises `ConfigError` for arguments that cannot be used, where fakeredis is missing, and to
    whoever asks for the pool of a cluster.
    """
    configs = configs_for(pools, "fake_pools")
    with isolated(_Fakes().in_place_of, configs):
        yield


class _Fakes:
    """Fake servers by the address of the one that they stand in for."""

    def __init__(self) -> None:
        if find_spec("fakeredis") is None:
            hint = "pip install 'redis-pool-ext[fakeredis]'"
            raise ConfigError([Problem("E006", "fake_pools()", "needs fakeredis", hint)])
        import fakeredis  # optional

        self._library = fakeredis
        self._servers: dict[str, fakeredis.FakeServer] = {}

    def in_place_of(self, config: PoolConfig) -> PoolConfig:
        options = options_for_another(config, "fake_pools")
        address = address_of({**config.options, "db": 0}, config.connection_class)
        server = self._servers.get(address)
        if server is None:
            server = self._servers.setdefault(address, self._library.FakeServer())
        options["server"] = server
        return replace(config, connection_class=self._library.FakeRedisConnection, options=options)
