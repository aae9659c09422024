"""The pools that are compared, each as its documentation sets it up, on stub connections."""

from __future__ import annotations

import resource
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import Any, NamedTuple

import redis
from psycopg_pool import ConnectionPool as PsycopgPool

from redis_pool_ext import RedisPool

from .stubs import StubConnection, StubDriver

__all__ = ["KINDS", "PATIENCE", "SMALLEST", "Kind", "Pool", "SmallestFairPool", "room_for"]

# Seconds. Long enough for whoever is to be served.
PATIENCE = 120.0

# Seconds. Who has so little time queues up, and leaves at once.
NO_PATIENCE = 1e-6

SMALLEST = "smallest fair semaphore"


class SmallestFairPool:
    """First come, first served, and nothing else: no deadline, no counters, no checks.

    What it needs is what threads and locks cost on this machine.
    """

    def __init__(self, items: list[Any]) -> None:
        self._lock = threading.Lock()
        self._free = items
        self._queue: deque[tuple[threading.Lock, list[Any]]] = deque()

    def get(self) -> Any:
        """Wait for an item."""
        with self._lock:
            if self._free and not self._queue:
                return self._free.pop()
            wake, gift = threading.Lock(), list[Any]()
            wake.acquire()
            self._queue.append((wake, gift))
        wake.acquire()
        return gift[0]

    def put(self, item: Any) -> None:
        """Hand an item to the one who has waited for longest."""
        with self._lock:
            if not self._queue:
                self._free.append(item)
                return
            wake, gift = self._queue.popleft()
            gift.append(item)
            wake.release()

    def waiting(self) -> int:
        """Return how many wait."""
        return len(self._queue)


class Pool(NamedTuple):
    """What the benchmarks do with a pool; None: it cannot."""

    get: Callable[[], Any]
    put: Callable[[Any], Any]
    waiting: Callable[[], int]
    get_at_once: Callable[[], Any] | None
    stats: Callable[[], Any] | None


class Kind(NamedTuple):
    """A kind of pool; `open(n)` gives one with n connections, all of them made and idle."""

    name: str
    open: Callable[[int], AbstractContextManager[Pool]]
    note: str = ""


@contextmanager
def _ours(size: int) -> Iterator[Pool]:
    with RedisPool(StubConnection, max_connections=size, timeout=PATIENCE) as pool:
        _fill(pool.get_connection, pool.release, size)

        def get_at_once() -> Any:
            pool.timeout = NO_PATIENCE
            return pool.get_connection()

        yield Pool(
            pool.get_connection,
            pool.release,
            lambda: pool.stats().waiting,
            get_at_once,
            pool.stats,
        )


@contextmanager
def _blocking(size: int) -> Iterator[Pool]:
    pool = redis.BlockingConnectionPool(
        max_connections=size, timeout=PATIENCE, connection_class=StubConnection
    )
    _fill(pool.get_connection, pool.release, size)

    def get_at_once() -> Any:
        pool.timeout = NO_PATIENCE
        return pool.get_connection()

    # It does not say how many wait, but its queue's condition knows.
    waiters: Any = pool.pool.not_empty._waiters
    with closing(pool):
        yield Pool(
            pool.get_connection,
            pool.release,
            lambda: len(waiters),
            get_at_once,
            pool.get_connection_count,
        )


@contextmanager
def _plain(size: int) -> Iterator[Pool]:
    pool = redis.ConnectionPool(max_connections=size, connection_class=StubConnection)
    _fill(pool.get_connection, pool.release, size)
    with closing(pool):
        # Nobody can wait for it.
        yield Pool(pool.get_connection, pool.release, lambda: 0, None, pool.get_connection_count)


@contextmanager
def _psycopg(size: int) -> Iterator[Pool]:
    stub: Any = StubDriver
    with PsycopgPool(
        connection_class=stub, min_size=size, max_size=size, timeout=PATIENCE, open=False
    ) as pool:
        pool.wait(PATIENCE)
        yield Pool(
            pool.getconn,
            pool.putconn,
            lambda: pool.get_stats()["requests_waiting"],
            partial(pool.getconn, timeout=NO_PATIENCE),
            pool.get_stats,
        )


@contextmanager
def _smallest(size: int) -> Iterator[Pool]:
    pool = SmallestFairPool([object() for _ in range(size)])
    yield Pool(pool.get, pool.put, pool.waiting, None, None)


def _fill(get: Callable[[], Any], put: Callable[[Any], Any], size: int) -> None:
    for connection in [get() for _ in range(size)]:
        put(connection)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("redis_pool_ext", _ours, "`RedisPool`"),
        Kind("redis-py blocking", _blocking, "`redis.BlockingConnectionPool`"),
        Kind("redis-py plain", _plain, "`redis.ConnectionPool`, which raises when full"),
        Kind(
            "psycopg_pool",
            _psycopg,
            "`psycopg_pool.ConnectionPool` with a driver that does nothing: no `check`, so it "
            "looks at no connection",
        ),
        Kind(
            SMALLEST,
            _smallest,
            "a lock, a list and a queue of locks: no deadline, no counters, no checks; what "
            "threads cost here",
        ),
    )
}


def room_for(connections: int) -> int:
    """Return how many of so many connections this process may open, after asking for more."""
    wanted = connections + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return connections
    return min(connections, soft - 200)
