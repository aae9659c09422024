"""What this process knows of its pools, as plain data: the one source of all that shows them."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from .._version import __version__
from ..aio.pool import AsyncRedisPool
from ..pooling.base import PoolBase, all_pools
from ..sizing.advice import TARGET
from .projects import address_of, projects

__all__ = ["FORMAT", "process_report"]

# Of what `process_report` returns; one more when something in it changes its meaning.
FORMAT = 2

_STARTED = time.time()

# What of a pool is told as its settings, by their names in `RedisPool`.
_SETTINGS = (
    "max_connections", "timeout", "max_connecting", "hold", "min_idle",
    "leak_detection_threshold", "housekeeping_interval",
)  # fmt: skip
_OF_ITS_QUEUE = (
    "max_waiting", "queue_discipline", "queue_target", "queue_interval", "reserved",
)  # fmt: skip
_OF_ITS_LIFE = ("max_idle", "idle_timeout", "max_lifetime", "validate_after")
_OF_CONNECTIONS = (
    "socket_timeout", "socket_connect_timeout", "socket_keepalive", "health_check_interval",
    "client_name", "protocol", "decode_responses",
)  # fmt: skip


def process_report(*, samples: int = 300, target: float = TARGET) -> dict[str, Any]:
    """Return this process and its pools: numbers, last minutes, holders, settings, advice.

    Plain data, ready for JSON; times in seconds, moments in seconds since the epoch. `samples`
    is how many of the last seconds come one by one, `target` what the advice aims at (seconds).
    """
    return {
        "format": FORMAT,
        "version": __version__,
        "process": {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "program": _program(),
            "started": _STARTED,
            "projects": projects(),
        },
        "at": time.time(),
        "pools": [_pool_report(pool, samples, target) for pool in _in_order(all_pools())],
    }


def _in_order(pools: list[PoolBase]) -> list[PoolBase]:
    """Return those that are there, "default" first, that of threads before those of loops."""
    there = [pool for pool in pools if not isinstance(pool, AsyncRedisPool) or pool.has_loop]
    return sorted(
        there, key=lambda pool: (pool.alias != "default", pool.alias, _kind(pool) == "async")
    )


def _kind(pool: PoolBase) -> str:
    return "async" if isinstance(pool, AsyncRedisPool) else "sync"


def _pool_report(pool: PoolBase, samples: int, target: float) -> dict[str, Any]:
    stats = pool.stats()
    samples_told = pool.samples()[-samples:] if samples else []
    return {
        "alias": pool.alias,
        "kind": _kind(pool),
        "server": address_of(pool.connection_kwargs, pool.connection_class),
        "settings": _settings_of(pool),
        "stats": stats.as_dict(),
        "window": no_longer_than(stats.wait_seconds_max, pool.window(60.0).as_dict()),
        "samples": [no_longer_than(stats.wait_seconds_max, s.as_dict()) for s in samples_told],
        "holders": [each.as_dict() for each in pool.holders()],
        "shares": pool.shares(),
        "advice": pool.advice(target).as_dict(),
    }


def no_longer_than(longest: float, times: dict[str, Any]) -> dict[str, Any]:
    """Cut the percentiles of waits to the longest that there ever was.

    Those are read off buckets: of a single wait of 0.51 s all that is known is that it took no
    longer than 1 s.
    """
    return times | {name: min(times[name], longest) for name in ("waits_p50", "waits_p99")}


def _settings_of(pool: PoolBase) -> dict[str, Any]:
    own = {name: getattr(pool, name) for name in _SETTINGS}
    queue = {name: getattr(pool.terms, name) for name in _OF_ITS_QUEUE}
    life = {name: getattr(pool.life, name) for name in _OF_ITS_LIFE}
    kwargs = pool.connection_kwargs
    of_connections = {name: kwargs[name] for name in _OF_CONNECTIONS if name in kwargs}
    return {**own, **queue, **life, **of_connections}


# Programs that are many: of these the first argument tells which one it is.
_OF_MANY = ("manage.py", "django-admin", "flask", "celery", "rq")


def _program() -> str:
    """Return what runs here, as a person would call it; never an argument that may be secret."""
    path = Path(sys.argv[0] or "python")
    name = path.parent.name if path.name == "__main__.py" else path.name
    first = sys.argv[1] if name in _OF_MANY and len(sys.argv) > 1 else ""
    is_word = first[:1].isalpha() and first.replace("-", "_").isidentifier()
    return f"{name} {first}" if is_word else name
