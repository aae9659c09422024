# mypy: disable-error-code="no-untyped-call"
"""Taps: connections whose dials, commands and replies somebody in a test wants to see, or to fail.

While there is a tap, every connection of this process' pools is of a class with the methods below
in front of its own; those that are open change theirs. With the last tap all is as before. So
nothing of this costs anything where no test runs.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis

from ..account import Account
from ..aio.connection import GuardedAsyncConnection, guarded_async
from ..aio.pool import AsyncRedisPool
from ..base import PoolBase, every_pool, on_new_pool
from ..connection import GuardedConnection, guarded
from ..deadline import Deadline
from ..forks import ProcessLock
from ..spending import bounded

__all__ = ["Commands", "Tap", "connections_of", "tapping"]

# Each by its arguments; None: bytes that were packed elsewhere.
Commands = list[tuple[Any, ...]] | None


class Tap:
    """What is done to the connections of some pools. Its methods do nothing here.

    A pool's own questions (the handshake, PING of an idle connection) are no commands.
    """

    def is_for(self, pool: PoolBase) -> bool:
        """Tell whether the connections of this pool are meant."""
        return True

    def dials(self) -> None:
        """Be told of a dial that begins; an `OSError` of this is how it ends."""

    def writes(self) -> OSError | None:
        """Be told that something is about to be written; return how that fails, if it is to."""
        return None

    def sends(self, connection: Any, commands: Commands) -> None:
        """Be told of commands that are about to be sent."""

    def is_at_end(self) -> bool:
        """Tell whether there is nothing to be read any more: the other side is gone."""
        return False

    def delay(self) -> float:
        """Return the seconds by which a reply comes later."""
        return 0.0


# Protects the two below it, and whose class is which.
_lock = ProcessLock()
_taps: list[Tap] = []
_stop: Callable[[], None] | None = None

# Pools and what they connect by when nobody taps.
_own_classes: weakref.WeakKeyDictionary[PoolBase, type[Any]] = weakref.WeakKeyDictionary()
_tapped: dict[type[Any], type[Any]] = {}


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
        _taps.append(tap)
        if _stop is None:
            _stop = on_new_pool(_tap_pool)
        for pool in every_pool():
            _tap_pool(pool)


def _end(tap: Tap) -> None:
    global _stop  # noqa: PLW0603
    with _lock.mine():
        _taps.remove(tap)
        if not _taps and _stop is not None:
            _stop()
            _stop = None
            for pool in list(_own_classes):
                _untap_pool(pool)


def _tap_pool(pool: PoolBase) -> None:
    if pool not in _own_classes:
        _own_classes[pool] = pool.connection_class
        pool.connection_class = _tapped_class(pool)
    for connection in connections_of(pool):
        connection.__class__ = _tapped_of(type(connection), pool)
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


def _tapped_class(pool: PoolBase) -> type[Any]:
    guard = guarded_async if isinstance(pool, AsyncRedisPool) else guarded
    return _tapped_of(guard(pool.connection_class), pool)


def _tapped_of(guarded_class: type[Any], pool: PoolBase) -> type[Any]:
    """Return the class with the taps in front, the same one each time."""
    if issubclass(guarded_class, _Tapped):
        return guarded_class
    made = _tapped.get(guarded_class)
    if made is None:
        front = _TappedOfTasks if isinstance(pool, AsyncRedisPool) else _TappedOfThreads
        # Of the same name: it stands in messages.
        facts = {"own_class": guarded_class, "__module__": guarded_class.__module__}
        made = _tapped[guarded_class] = type(guarded_class.__name__, (front, guarded_class), facts)
    return made


# -- what tapped connections do --------------------------------------------------------------
#
# The last tap may end in the middle of any of these, in another thread: the connection is of its
# own class then. So they call functions, and the guard's methods by its name, not by super().


def _taps_on(connection: Any) -> list[Tap]:
    """Return the taps that are for the pool of a connection."""
    pool = connection.home() if connection.home is not None else None
    return [] if pool is None else [tap for tap in tuple(_taps) if tap.is_for(pool)]


def _begins_to_dial(connection: Any) -> None:
    for tap in _taps_on(connection):
        tap.dials()


def _write_failure(connection: Any) -> OSError | None:
    """Return how writing fails that is about to begin; None where it does not."""
    if connection._sock is None or connection._deadline is not None:
        return None
    return next(filter(None, (tap.writes() for tap in _taps_on(connection))), None)


def _is_question(connection: Any, check_health: bool) -> bool:
    """Tell whether what is about to be sent is a PING of the pool's, or of redis-py's, own."""
    names = [args[:1] for args in connection._outgoing or ()]
    return not check_health and names == [("PING",)]


def _is_cut(connection: Any) -> bool:
    return connection._deadline is None and any(tap.is_at_end() for tap in _taps_on(connection))


def _time_until_reply(connection: Any) -> tuple[float, bool]:
    """Return for how long the next reply is to be waited for, and whether it comes then."""
    left = connection._due - time.monotonic()
    if connection._deadline is not None or left <= 0.0:
        return 0.0, True
    own = connection._socket_timeout
    limit = None if own is None else own + connection._patience
    if connection.budget is not None:
        limit = bounded(limit, connection.budget.left())
    return (left, True) if limit is None or left < limit else (limit, False)


def _require_reply(connection: Any, comes: bool) -> None:
    """Raise what redis-py does where there is none."""
    if not comes:
        raise redis.TimeoutError("Timeout reading from socket")
    if _is_cut(connection):
        raise redis.ConnectionError("Connection closed by server.")


class _Tapped:
    """What the connections of threads and of tasks have in common."""

    own_class: type[Any]
    _deadline: Deadline | None
    _is_ours = False  # what is about to be sent is no command
    _due = 0.0  # when the next reply may be read (monotonic, seconds)

    def _note_all(self, outgoing: Commands) -> None:
        if self._deadline is None and not self._is_ours:
            taps = _taps_on(self)
            for tap in taps:
                tap.sends(self, outgoing)
            self._due = time.monotonic() + max((tap.delay() for tap in taps), default=0.0)
        Account._note_all(self, outgoing)  # type: ignore[arg-type]  # it is one


class _TappedOfThreads(_Tapped, GuardedConnection):
    def open(self, deadline: Deadline) -> None:
        GuardedConnection.open(self, deadline)
        self.lane = None

    def _connect(self) -> Any:
        _begins_to_dial(self)
        return GuardedConnection._connect(self)

    def _send(self, command: Any, check_health: bool) -> None:
        outer, self._is_ours = self._is_ours, _is_question(self, check_health)
        try:
            failure = _write_failure(self)
            if failure is not None:
                self.reply_lost = False
                self.fail_to_send(failure)
            GuardedConnection._send(self, command, check_health)
        finally:
            self._is_ours = outer

    def _read(self, *args: Any, **kwargs: Any) -> Any:
        seconds, comes = _time_until_reply(self)
        try:
            time.sleep(seconds)
            _require_reply(self, comes)
        except BaseException:  # Ctrl-C while waiting, too: the reply is still to come
            self.break_off()
            raise
        return GuardedConnection._read(self, *args, **kwargs)

    def can_read(self, timeout: float = 0) -> bool:
        return _is_cut(self) or GuardedConnection.can_read(self, timeout)


class _TappedOfTasks(_Tapped, GuardedAsyncConnection):
    async def open(self, deadline: Deadline) -> None:
        await GuardedAsyncConnection.open(self, deadline)
        self.lane = None

    async def _connect(self) -> None:
        _begins_to_dial(self)
        await GuardedAsyncConnection._connect(self)

    async def _send(self, command: Any, check_health: bool) -> None:
        outer, self._is_ours = self._is_ours, _is_question(self, check_health)
        try:
            failure = _write_failure(self)
            if failure is not None:
                self.reply_lost = False
                self.fail_to_send(failure)
            await GuardedAsyncConnection._send(self, command, check_health)
        finally:
            self._is_ours = outer

    async def _read(self, *args: Any, **kwargs: Any) -> Any:
        seconds, comes = _time_until_reply(self)
        try:
            if seconds:
                await asyncio.sleep(seconds)
            _require_reply(self, comes)
        except asyncio.CancelledError:
            self.abandon()
            raise
        except BaseException:
            self.break_off()
            raise
        return await GuardedAsyncConnection._read(self, *args, **kwargs)
