"""The pools of one alias: those that there are, and those that are made while a block runs.

An alias can have several: one for threads, one for each event loop, one for each Flask app.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from ..pooling.base import PoolBase, all_pools, on_new_pool
from ..problems import ConfigError, Problem, shown
from ..process import aliases, config_for, configs, unknown

__all__ = ["each_pool"]

NODE = "@"  # between a cluster's alias and the address of a node, in the alias of that one's pool


@contextmanager
def each_pool(alias: str, act: Callable[[PoolBase], None], fault: str) -> Iterator[None]:
    """Call `act` with each pool of `alias`, once: now, and as it is made.

    Raises `ConfigError` for a cluster; and at the end, if nothing is called so by then: a
    misspelt alias would make a test pass in which nothing happens.
    """
    _require_one_server(alias, fault)
    met: list[PoolBase] = []
    meeting = Lock()  # `met`: one may be made in a thread just as this one looks for all of them

    def is_new(pool: PoolBase) -> bool:
        with meeting:
            if any(pool is other for other in met):
                return False
            met.append(pool)
            return True

    def welcome(pool: PoolBase) -> None:
        if pool.alias == alias and is_new(pool):
            act(pool)

    stop = on_new_pool(welcome)
    try:
        for pool in all_pools():
            welcome(pool)
        yield
    finally:
        stop()
    if not met and not _is_configured(alias):
        raise ConfigError([unknown(alias, {*aliases(), *(pool.alias for pool in all_pools())})])


def _is_configured(alias: str) -> bool:
    try:
        config_for(alias)
    except ConfigError:
        return False
    return True


def _require_one_server(alias: object, fault: str) -> None:
    if not isinstance(alias, str) or not alias:
        problem = f"{shown(alias)} is not an alias"
        raise ConfigError([Problem("E002", f"{fault}(alias)", problem, "give a name (str)")])
    known = [*configs().values()]
    if _is_configured(alias):
        known.append(config_for(alias))
    is_cluster = any(config.alias == alias and config.is_cluster for config in known)
    if is_cluster or any(pool.alias.startswith(alias + NODE) for pool in all_pools()):
        message = f"{shown(alias)} is a Redis Cluster, whose nodes have a pool each"
        hint = "test the fault on a pool of one server"
        raise ConfigError([Problem("E006", f"{fault}(alias)", message, hint)])
