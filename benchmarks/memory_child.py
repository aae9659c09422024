"""One process that holds many of one thing, and says what one of them takes.

    python -m benchmarks.memory_child connection "redis_pool_ext" 500 <url> allocated

Writes the bytes of one: `allocated`, as `tracemalloc` counts what Python asks for, or
`resident`, by how much that part of the process has grown which is in RAM.
"""

from __future__ import annotations

import gc
import resource
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from redis_pool_ext import RedisPool

__all__ = ["GROUPS", "resident_is_known"]

MAX_CONNECTIONS = 16

_STATM = Path("/proc/self/statm")

Make = Callable[[int, str], object]


def _ours(number: int, url: str) -> Any:
    return RedisPool.from_url(url, max_connections=number, timeout=30)


def _blocking(number: int, url: str) -> Any:
    return redis.BlockingConnectionPool.from_url(url, max_connections=number, timeout=30)


def _plain(number: int, url: str) -> Any:
    return redis.ConnectionPool.from_url(url, max_connections=number)


def _empty(make: Callable[[int, str], Any]) -> Make:
    return lambda number, url: [make(MAX_CONNECTIONS, url) for _ in range(number)]


def _full(make: Callable[[int, str], Any]) -> Make:
    def hold(number: int, url: str) -> object:
        pool = make(number, url)
        for connection in [pool.get_connection() for _ in range(number)]:
            pool.release(connection)
        return pool

    return hold


def _leases(number: int, url: str) -> object:
    pool = _ours(MAX_CONNECTIONS, url)
    leases = [pool.lease() for _ in range(number)]
    return leases, [lease.__enter__() for lease in leases]


def _clients(number: int, url: str) -> object:
    pool = _plain(MAX_CONNECTIONS, url)
    return [redis.Redis(connection_pool=pool) for _ in range(number)]


OURS, BLOCKING, PLAIN = "redis_pool_ext", "redis-py blocking", "redis-py plain"

GROUPS: dict[str, dict[str, Make]] = {
    "pool": {OURS: _empty(_ours), BLOCKING: _empty(_blocking), PLAIN: _empty(_plain)},
    "connection": {OURS: _full(_ours), BLOCKING: _full(_blocking), PLAIN: _full(_plain)},
    "client": {OURS: _leases, "redis-py client": _clients},
}


def resident_is_known() -> bool:
    """Tell whether this system says how much of a process is in RAM."""
    return _STATM.exists()


def _resident() -> int:
    return int(_STATM.read_text().split()[1]) * resource.getpagesize()


def _allocated() -> int:
    return tracemalloc.get_traced_memory()[0]


def main(group: str, name: str, number: int, url: str, how: str) -> None:
    """Hold the things, and write the bytes of one."""
    make = GROUPS[group][name]
    few = make(2, url)  # what is made once, for all of them
    if how == "allocated":
        tracemalloc.start()
    look = _allocated if how == "allocated" else _resident
    gc.collect()
    before = look()
    many = make(number, url)
    gc.collect()
    print((look() - before) / number)
    del few, many


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
