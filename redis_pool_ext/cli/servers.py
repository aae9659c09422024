"""The servers that a command dials itself, each by a small pool of its own.

Never by one of the pools that it is to look at: those may be exhausted, and `stats` would show
the command among the requests. Nothing here starts a thread that outlives its question.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

from ..cluster.pool import ClusterPool
from ..config import PoolConfig
from ..deadline import Deadline
from ..pool import RedisPool
from ..status.projects import address_of
from .output import UsageError
from .run import Task

__all__ = ["Targets", "configs_of", "targets"]

# Name of a server (or of a node), and the pool for it.
Targets = Iterator[tuple[str, RedisPool]]


def configs_of(task: Task) -> dict[str, PoolConfig]:
    """Return the settings that were asked for, by alias.

    Of a plain program those in `--url`. Raises `UsageError` where there are none,
    `ConfigError` for a URL that cannot be read.
    """
    pools, options = task.project.pools, task.options
    if options.url is not None:
        config = PoolConfig.from_url(options.url, alias=(options.alias or ("default",))[0])
        return {config.alias: config}
    if pools is None:
        raise UsageError("which server? give it as --url redis://localhost:6379/0")
    return {name: each for name, each in pools.items() if name in (options.alias or pools)}


@contextmanager
def targets(config: PoolConfig, deadline: Deadline) -> Generator[Targets, None, None]:
    """Yield the server, or each node of a cluster, with a pool of at most two connections.

    A dial takes half of what is left now at most, an answer a quarter. Raises nothing yet; to
    ask a cluster for its nodes, as iteration does, raises what `get_connection` raises.
    """
    left = deadline.remaining()
    own = replace(
        config,
        max_connections=2,
        timeout=left / 2,
        max_waiting=None,
        queue_discipline="fifo",
        reserved=None,
        min_idle=0,
        max_idle=None,
        leak_detection_threshold=None,
        housekeeping_interval=None,  # no thread, so no desk either
        options=_within(config.options, left / 4),
    )
    if config.is_cluster:
        with closing(ClusterPool.from_config(own)) as cluster:
            yield _nodes(cluster, deadline)
    else:
        name = address_of(config.options, config.connection_class)
        with closing(RedisPool.from_config(own)) as pool:
            yield iter([(name, pool)])


def _nodes(cluster: ClusterPool, deadline: Deadline) -> Targets:
    nodes: list[Any] = cluster.engine().get_nodes()  # type: ignore[no-untyped-call]
    for node in sorted(nodes, key=lambda each: (each.host, each.port)):
        pool = cluster.nodes.of(node.host, node.port)
        left = deadline.remaining()  # others may have taken their time
        pool.timeout = min(pool.timeout, left / 2)
        pool.connection_kwargs.update(_patience(pool.connection_kwargs, left / 4))
        yield f"{node.host}:{node.port}", pool


def _within(options: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    readable = {"decode_responses": True, "encoding_errors": "replace"}
    return {**options, **_patience(options, seconds), **readable}


def _patience(options: Mapping[str, Any], seconds: float) -> dict[str, float]:
    seconds = max(seconds, 0.001)  # 0 would be no waiting at all
    names = ("socket_timeout", "socket_connect_timeout")
    return {name: min(options.get(name) or seconds, seconds) for name in names}
