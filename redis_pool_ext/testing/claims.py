"""A database of a server that somebody else runs, for one test: empty before, and after.

What is stored there is never deleted: a database with anything in it is refused. And two
processes do not share one: each says by the name of a connection that it is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..config import ConfigError, PoolConfig, Problem
from ..pool import RedisPool
from ..status.projects import address_of

__all__ = ["claimed"]

_NAME = "redis_pool_ext.testing"


@contextmanager
def claimed(config: PoolConfig) -> Iterator[None]:
    """Have the database of these settings to oneself, and empty it at the end.

    Raises `ConfigError` if something is stored there, or another process tests there.
    """
    # A pool of its own: what a test does to those under test is not done to this one.
    own = replace(config, alias=_NAME, max_connections=2, min_idle=0, max_idle=None)
    own = replace(own, reserved=None, hold="request")
    with RedisPool.from_config(own) as pool, pool.lease(_NAME) as client:
        _require_nobody_else(client, config)
        _require_empty(client, config)
        try:
            yield
        finally:
            pool.client.flushdb()  # another connection: the server may have closed the idle one


def _require_nobody_else(client: Any, config: PoolConfig) -> None:
    name = f"{_NAME}/{config.options.get('db') or 0}"
    client.client_setname(name)
    mine = client.client_id()
    # Of two that come at the same time both see the other; the first one stays.
    if any(each["name"] == name and int(each["id"]) < mine for each in client.client_list()):
        hint = "give each process a database of its own (with pytest-xdist: each worker)"
        raise _refusal(config, "another process tests there", hint)


def _require_empty(client: Any, config: PoolConfig) -> None:
    count = client.dbsize()
    if count:
        hint = "name an empty one, or empty it yourself: isolated_pools() deletes nobody's keys"
        raise _refusal(config, f"{count} keys are stored there", hint)


def _refusal(config: PoolConfig, message: str, hint: str) -> ConfigError:
    address = address_of(config.options, config.connection_class)
    return ConfigError([Problem("E006", f"isolated_pools(), {address}", message, hint)])
