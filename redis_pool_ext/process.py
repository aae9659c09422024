"""The process: one pool per config, made when first asked for, closed at exit."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import redis

from .cluster.pool import ClusterPool
from .config import ConfigError, PoolConfig, Problem, read_settings
from .forks import ProcessLock
from .pool import RedisPool
from .scope import current_scope

__all__ = [
    "add_source",
    "aliases",
    "as_it_is_made",
    "client_of",
    "close_pools",
    "config_for",
    "configs",
    "configure",
    "find_pool",
    "get_pool",
    "get_redis",
    "on_configure",
    "pool_for",
    "pools",
    "put_aside",
    "unknown",
]

Configs = Mapping[str, PoolConfig]
Source = Callable[[], Configs | None]
Listener = Callable[[set[PoolConfig]], None]
StandIn = Callable[[PoolConfig], PoolConfig]

# Protects the three below it; pools are made under it, which connects nothing.
_lock = ProcessLock()
_configs: Configs | None = None
_pools: dict[PoolConfig, RedisPool] = {}
_stand_in: StandIn | None = None  # whose pools are made in place of those that are asked for
_listeners: list[Listener] = []


def configure(settings: Mapping[str, Any], where: str = "REDIS_POOLS") -> None:
    """Set the process's pools: a `REDIS_POOLS` mapping, or `{}` to have none.

    Replaces what was set before: pools whose settings are gone close, connections in use
    when they come back. Raises `ConfigError` with every problem, and then changes nothing.
    """
    global _configs
    configs = read_settings(settings, where)
    with _lock.mine():
        before, _configs = _configs or {}, configs
        gone = set(before.values()) - set(configs.values())
        closing = [_pools.pop(config) for config in gone if config in _pools]
    for pool in closing:
        pool.close()
    for listener in _listeners:
        listener(gone)


def configs() -> Configs:
    """Return the settings that `configure` was given last; no pool need have been made of them."""
    return _configs or {}


def on_configure(listener: Listener) -> Listener:
    """Have `listener` called with the settings that are gone, after each `configure`."""
    _listeners.append(listener)
    return listener


def get_pool(alias: str = "default") -> RedisPool:
    """Return the process's pool for `alias`, the same one in every thread.

    In a Flask application context the application's own settings come first, then those
    of Django or of `configure()`. Raises `ConfigError` for an alias that none of them has.
    """
    return pool_for(config_for(alias))


def find_pool(alias: str) -> RedisPool | None:
    """Return the process's pool for `alias`, if it was made by now; raises `ConfigError`."""
    return _pools.get(config_for(alias))


def aliases() -> list[str]:
    """Return what `get_pool` knows right here, "default" first."""
    names = {name for source in _sources for name in source() or ()}
    return sorted(names, key=lambda name: (name != "default", name))


def config_for(alias: str) -> PoolConfig:
    """Return the settings of `alias` that hold right here; raises `ConfigError`."""
    for source in _sources:
        configs = source()
        if configs is not None and alias in configs:
            return configs[alias]
    raise ConfigError([unknown(alias, (name for source in _sources for name in source() or ()))])


def get_redis(alias: str = "default") -> redis.Redis:
    """Return the client to use right here: the one door for libraries and tasks.

    Inside a request or `lease_scope()` it is the leased client (one connection, held to
    the end of the scope), outside one that borrows a connection per command.
    """
    return client_of(get_pool(alias))


def client_of(pool: RedisPool) -> redis.Redis:
    """Return the client of `pool` to use right here, as `get_redis` does."""
    scope = current_scope()
    return pool.client if scope is None else scope.client(pool)


def pool_for(config: PoolConfig) -> RedisPool:
    """Return the one pool of this process with these settings."""
    pool = _pools.get(config)
    if pool is not None and not pool.is_closed:
        return pool
    with _lock.mine():
        pool = _pools.get(config)
        if pool is None or pool.is_closed:
            made = _make(config)
            pool = _pools.get(config)  # a signal handler may have come meanwhile, and made one
            if pool is None or pool.is_closed:
                pool = _pools[config] = made
        return pool


def _make(config: PoolConfig) -> RedisPool:
    config = as_it_is_made(config)
    if config.is_cluster:
        # To its users it is a RedisPool: the same methods, a client that is a `RedisCluster`.
        return cast(RedisPool, ClusterPool.from_config(config))
    return RedisPool.from_config(config)


def as_it_is_made(config: PoolConfig) -> PoolConfig:
    """Return the settings that a pool is made with, for these: in tests it has another server."""
    return config if _stand_in is None else _stand_in(config)


def put_aside(stand_in: StandIn, configs: Configs) -> Callable[[], None]:
    """Begin with these settings and no pools. For tests: return what ends that.

    Whatever asks for a pool, it is made of the settings that `stand_in` returns in their place.

    The end closes the pools that were made meanwhile, and puts those of before back, with
    the configuration of before. `stand_in` is called under a lock, and must not wait.
    """
    global _configs, _pools, _stand_in
    with _lock.mine():
        before = _configs, _pools, _stand_in
        _configs, _pools, _stand_in = configs, {}, stand_in

    def put_back() -> None:
        global _configs, _pools, _stand_in
        with _lock.mine():
            closing = list(_pools.values())
            _configs, _pools, _stand_in = before
        for pool in closing:
            pool.close()

    return put_back


def pools() -> list[RedisPool]:
    """Return the pools that were made so far."""
    return list(_pools.values())


def close_pools() -> None:
    """Close every pool of the process; the next `get_pool` makes a new one."""
    with _lock.mine():
        closing = list(_pools.values())
        _pools.clear()
    for pool in closing:
        pool.close()


def add_source(source: Source) -> None:
    """Let `source` be asked for settings before the process's own; for wings."""
    if source not in _sources:
        _sources.insert(-1, source)


def _process_configs() -> Configs | None:
    return _configs


# Asked one after the other; a wing adds one for its application's settings.
_sources: list[Source] = [_process_configs]


def unknown(alias: str, known: Iterable[str]) -> Problem:
    """Return what is wrong with an alias that is not among the known ones."""
    path = f"REDIS_POOLS[{alias!r}]"
    if names := ", ".join(sorted(known)):
        return Problem("E008", path, "is not configured", f"known are {names}")
    hint = (
        "set REDIS_POOLS in Django's settings or in the Flask app's config, or call "
        f"redis_pool_ext.configure({{{alias!r}: 'redis://localhost:6379/0'}})"
    )
    return Problem("E008", path, "is not configured, and nothing else is", hint)


atexit.register(close_pools)
