"""What this process knows of its pools, as plain data: the one source of all that shows them."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from .._version import __version__
from ..advice import TARGET
from ..aio.pool import AsyncRedisPool
from ..base import PoolBase, all_pools

__all__ = ["FORMAT", "fingerprint", "process_report"]

# Of what `process_report` returns; one more when something in it changes its meaning.
FORMAT = 1

_STARTED = time.time()

# What of a pool is told as its settings, by their names in `RedisPool`.
_SETTINGS = (
    "max_connections", "timeout", "max_waiting", "max_connecting", "hold", "min_idle",
    "leak_detection_threshold", "housekeeping_interval",
)  # fmt: skip
_OF_ITS_LIFE = ("max_idle", "idle_timeout", "max_lifetime", "validate_after")
_OF_CONNECTIONS = (
    "socket_timeout", "socket_connect_timeout", "socket_keepalive", "health_check_interval",
    "client_name", "protocol", "decode_responses", "username",
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
            "pools": fingerprint(),
        },
        "at": time.time(),
        "pools": [_pool_report(pool, samples, target) for pool in _in_order(all_pools())],
    }


def fingerprint() -> str:
    """Return what processes have in common that run the same program with the same pools.

    Of aliases and addresses only: nothing that is secret goes into it.
    """
    names = sorted({f"{pool.alias} {address_of(pool)}" for pool in all_pools()})
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def address_of(pool: PoolBase) -> str:
    """Return where a pool connects to, as a URL without user and password."""
    kwargs = pool.connection_kwargs
    db = kwargs.get("db") or 0
    if "service_name" in kwargs:
        return f"redis+sentinel://{kwargs['service_name']}/{db}"
    if kwargs.get("path"):
        return f"unix://{kwargs['path']}?db={db}"
    is_tls = "SSL" in pool.connection_class.__name__
    scheme = "rediss" if is_tls else "redis"
    return f"{scheme}://{kwargs.get('host', 'localhost')}:{kwargs.get('port', 6379)}/{db}"


def _in_order(pools: list[PoolBase]) -> list[PoolBase]:
    return sorted(pools, key=lambda pool: (pool.alias != "default", pool.alias))


def _pool_report(pool: PoolBase, samples: int, target: float) -> dict[str, Any]:
    stats = pool.stats()
    samples_told = pool.samples()[-samples:] if samples else []
    return {
        "alias": pool.alias,
        "kind": "async" if isinstance(pool, AsyncRedisPool) else "sync",
        "server": address_of(pool),
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
    life = {name: getattr(pool.life, name) for name in _OF_ITS_LIFE}
    kwargs = pool.connection_kwargs
    of_connections = {name: kwargs[name] for name in _OF_CONNECTIONS if name in kwargs}
    return {**own, **life, **of_connections}


def _program() -> str:
    """Return what runs here, as a person would call it."""
    name = Path(sys.argv[0] or "python").name
    return Path(sys.argv[0]).parent.name if name == "__main__.py" else name
