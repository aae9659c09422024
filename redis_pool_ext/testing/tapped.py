# mypy: disable-error-code="no-untyped-call"
"""Connections that tell the taps what they do: classes with that in front of a connection's own.

The last tap may end in the middle of any method here, in another thread: the connection is of
its own class then. So they call functions, and the guard's methods by its name, not by super().
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import redis

from ..aio.connection import GuardedAsyncConnection
from ..connection import GuardedConnection
from ..deadline import Deadline
from ..wire.account import Account
from ..wire.spending import bounded
from .taps import Commands, taps_on

__all__ = ["tapped"]


def _begins_to_dial(connection: Any) -> None:
    for tap in taps_on(connection):
        tap.dials()


def _write_failure(connection: Any) -> OSError | None:
    """Return how writing fails that is about to begin; None where it does not."""
    if connection._sock is None or connection._deadline is not None:
        return None
    return next(filter(None, (tap.writes() for tap in taps_on(connection))), None)


def _is_question(connection: Any, check_health: bool) -> bool:
    """Tell whether what is about to be sent is a PING of the pool's, or of redis-py's, own."""
    names = [args[:1] for args in connection._outgoing or ()]
    return not check_health and names == [("PING",)]


def _is_cut(connection: Any) -> bool:
    return connection._deadline is None and any(tap.is_at_end() for tap in taps_on(connection))


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
            taps = taps_on(self)
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


_classes: dict[type[Any], type[Any]] = {}


def tapped(guarded_class: type[Any]) -> type[Any]:
    """Return the class with the taps in front, the same one each time."""
    if issubclass(guarded_class, _Tapped):
        return guarded_class
    made = _classes.get(guarded_class)
    if made is None:
        is_of_tasks = issubclass(guarded_class, GuardedAsyncConnection)
        front = _TappedOfTasks if is_of_tasks else _TappedOfThreads
        # Of the same name: it stands in messages.
        facts = {"own_class": guarded_class, "__module__": guarded_class.__module__}
        made = _classes[guarded_class] = type(guarded_class.__name__, (front, guarded_class), facts)
    return made
