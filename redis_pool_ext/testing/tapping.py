"""The time of a tap: connections change their class, and change it back.

While there is a tap, every connection of this process' pools is of a class that tells it what
it does; those that are open change theirs. With the last tap all is as before, but that those
which were open meanwhile go redis-py's own way until they close. So nothing of this costs
anything where no test runs.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..aio.connection import guarded_async
from ..aio.pool import AsyncRedisPool
from ..connection import guarded
from ..forks import ProcessLock
from ..pooling.base import PoolBase, every_pool, on_new_pool
from .tapped import tapped
from .taps import Tap, active

__all__ = ["connections_of", "tapping"]

# Protects the list of taps, what follows it, and whose class is which.
_lock = ProcessLock()
_stop: Callable[[], None] | None = None

# Pools and what they connect by when nobody taps.
_own_classes: weakref.WeakKeyDictionary[PoolBase, type[Any]] = weakref.WeakKeyDictionary()


@contextmanager
def tapping(tap: Tap) -> Iterator[None]:
    """Have `tap` told of all connections, those included that are open, or made meanwhile."""
    _begin(tap)
    try:
        yield
    finally:
        _end(tap)


def _begin(tap: Tap) -> None:
    global _stop  # noqa: PLW0603
    with _lock.mine():
        active.append(tap)
        if _stop is None:
            _stop = on_new_pool(_tap_pool)
        for pool in every_pool():
            _tap_pool(pool)


def _end(tap: Tap) -> None:
    global _stop  # noqa: PLW0603
    with _lock.mine():
        active.remove(tap)
        if not active and _stop is not None:
            _stop()
            _stop = None
            for pool in list(_own_classes):
                _untap_pool(pool)


def _tap_pool(pool: PoolBase) -> None:
    if pool not in _own_classes:
        _own_classes[pool] = pool.connection_class
        guard = guarded_async if isinstance(pool, AsyncRedisPool) else guarded
        pool.connection_class = tapped(guard(pool.connection_class))
    for connection in connections_of(pool):
        connection.__class__ = tapped(type(connection))
        connection.lane = None  # the short way is past all this


def _untap_pool(pool: PoolBase) -> None:
    pool.connection_class = _own_classes.pop(pool)
    for connection in connections_of(pool):
        own = getattr(connection, "own_class", None)
        if own is not None:
            connection.__class__ = own


def connections_of(pool: PoolBase) -> list[Any]:
    """Return the connections that are open, or about to be; idle ones included."""
    with pool._lock:
        slots = pool._ledger.slots()
    found = [slot.connection() for slot in slots if slot.connection is not None]
    return [connection for connection in found if connection is not None]
