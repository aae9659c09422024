# mypy: disable-error-code="no-untyped-call"
"""A connection that knows what it owes: redis-py's class with a guard in front.

The guard counts commands sent minus replies read, remembers commands that leave state
behind and refuses to reconnect into another state. It is mixed into whatever
`connection_class` the pool was given.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn, Protocol

import redis
from redis.connection import HiredisRespSerializer

from .books.records import Slot
from .budget import Budget
from .connecting.dial import DialledConnection
from .deadline import Deadline
from .forks import getpid
from .wire.account import READ_ONLY, Account
from .wire.express import Lane, exchange, is_redis_pys_own, lane_of
from .wire.guards import put_in_front
from .wire.packing import NumbersAsText
from .wire.spending import LEAST, SLACK, bounded

__all__ = ["READ_ONLY", "GuardedConnection", "guarded"]


class Home(Protocol):
    """What a connection asks of the pool that it belongs to."""

    def reconnect(self, connection: GuardedConnection) -> None:
        """Dial again, within the pool's timeout, for the one who holds `connection`."""


class GuardedConnection(Account, DialledConnection):
    """The guard, a mixin: `guarded()` puts it in front of a connection class."""

    home: Callable[[], Home | None] | None = None
    lane: Lane | None = None
    slot: Slot | None
    broken: bool
    reply_lost: bool

    # -- connecting -----------------------------------------------------------------

    def open(self, deadline: Deadline) -> None:
        """Connect and shake hands, both before `deadline`.

        Raises redis-py's errors of a failed connection.
        """
        super().open(deadline)
        self.broken = self.read_only = self.is_left = False
        self.lane = lane_of(self) if self._may_take_short_way else None

    def connect(self) -> None:
        """Reconnect for the holder: bounded by the pool's timeout, never into new state.

        Raises `LeaseError` when the connection was given back, `LeaseStateLostError`
        when the socket that is gone held state, `PoolUnavailableError` when the server
        cannot be reached.
        """
        if self.is_inherited:
            self.retire()  # our copy of the parent's socket
        if self._sock is not None:
            return
        home = self._home_to_reconnect()
        spending = self._spending
        if spending is None:
            home.reconnect(self)
        else:
            with spending:
                spending.require()
                home.reconnect(self)

    def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        """Connect, in a dial of the pool's; anywhere else, ask the pool for one.

        redis-py calls this where it finds the socket gone at the last moment: a signal
        handler has ended the lease in the middle of its command.
        """
        if self._deadline is None:
            self.connect()
        else:
            super().connect_check_health(*args, **kwargs)

    def _construct_command_packer(self, packer: Any) -> Any:
        """Choose the serializer as redis-py does; make hiredis' safe under signals."""
        chosen = super()._construct_command_packer(packer)
        return NumbersAsText(chosen) if isinstance(chosen, HiredisRespSerializer) else chosen

    # -- what was sent and what was answered --------------------------------------------

    def send_command(self, *args: Any, **kwargs: Any) -> None:
        """Send one command, noting that its reply is owed and what it leaves behind."""
        self._outgoing, self._packed = [args], None
        try:
            super().send_command(*args, **kwargs)
        except BaseException:
            self._outgoing = None  # it may not have come as far as being sent
            raise

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send packed bytes; first reconnect or refuse where the replies would not pair.

        Raises `redis.ConnectionError` when an earlier reply was never read.
        """
        spending = self._spending
        if spending is None or self._deadline is not None:
            self._send(command, check_health)
        else:
            with spending:
                spending.require()
                self._send(command, check_health)

    def _send(self, command: Any, check_health: bool) -> None:
        # Taken first and noted last: a reconnect or a health check in between sends
        # commands of its own, and wipes what was noted before.
        outgoing = self._take_outgoing(command)
        self.reply_lost = False
        if self._sock is None or self.pid != getpid():
            self.connect()
        if check_health:
            self.check_health()
        if self.pending and not self._is_subscriber():
            self.disconnect()
            raise self._never_read()
        if self.budget is not None:
            self._cut_timeout(self.budget.left())
        self._note_all(outgoing)
        try:
            super().send_packed_command(command, check_health=False)
        except BaseException:
            self.broken = True
            raise
        if self._patience:
            self._wait_for_a_reply(self._patience)

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Read one reply, and note that one less is owed."""
        if self._replies is not None:
            self._replies.is_first = True
        spending = self._spending
        if spending is None or self._deadline is not None:
            return self._read(*args, **kwargs)
        with spending:
            left = spending.budget.left()
            if left < LEAST and self._is_subscriber():  # whose messages may never end
                raise spending.exceeded()
            self._cut_timeout(left)
            if "timeout" in kwargs:  # of redis-py 8's PubSub
                kwargs["timeout"] = bounded(kwargs["timeout"], left)
            return self._read(*args, **kwargs)

    def _read(self, *args: Any, **kwargs: Any) -> Any:
        try:
            response = super().read_response(*args, **kwargs)
        except redis.ResponseError as error:
            self._refused(error)
            raise
        except BaseException:
            self.broken = self.reply_lost = True
            raise
        self._answered(refused=False)
        return response

    def can_read(self, timeout: float = 0) -> bool:
        """Tell whether there is something to read, within so many seconds."""
        if self._replies is not None:
            self._replies.is_first = True  # redis-py 6 reads to find out
        spending = self._spending
        if spending is None or timeout == 0:
            return bool(super().can_read(timeout))
        with spending:
            is_there = bool(super().can_read(bounded(timeout, spending.require())))
            if not is_there and self.is_spent:
                raise spending.exceeded()
            return is_there

    def _wait_for_a_reply(self, longer: float) -> None:
        """Let the next replies take so many seconds more than `socket_timeout`."""
        if self._socket_timeout is None or not isinstance(self._sock, socket.socket):
            return
        limit = self._socket_timeout + longer
        self._sock.settimeout(limit if limit <= threading.TIMEOUT_MAX else None)

    # -- a holder's budget --------------------------------------------------------------

    def lend(self, budget: Budget | None) -> None:
        """Let nothing on it last longer than `budget`; None takes that off, and leaves no trace."""
        super().lend(budget)
        if self._replies is not None:
            self._replies.budget = budget
        if budget is None and isinstance(self._sock, socket.socket):
            with suppress(OSError):  # closed on our side
                if self._sock.gettimeout() != self._socket_timeout:
                    self._sock.settimeout(self._socket_timeout)

    def _cut_timeout(self, left: float) -> None:
        """See that the socket's timeout does not outlast what is left, and is not shorter."""
        sock = self._sock
        if not isinstance(sock, socket.socket):
            return
        if self._replies is not None:
            self._replies.budget = self.budget
        own = self._socket_timeout
        wanted = bounded(own if own is None else own + self._patience, left)
        current = sock.gettimeout()
        if current is None or not wanted <= current <= wanted + SLACK:
            sock.settimeout(wanted)

    def exchange_in_budget(self, lane: Lane, packed: bytes) -> Any:
        """Do what `express.exchange` does, within the budget."""
        spending = self._spending
        if spending is None:  # another thread has just taken it off the lease
            return exchange(self, lane, packed)
        with spending:
            try:
                self._cut_timeout(spending.require())
            except BaseException:
                self.pending = 0  # nothing was sent
                raise
            return exchange(self, lane, packed)

    # -- for the short way (express.py) -------------------------------------------------

    def fail_to_send(self, error: BaseException) -> NoReturn:
        """Close the connection after `error`, and let redis-py raise what it makes of that."""
        self.broken = True
        failing = _raising(error)
        del error  # its traceback will refer to this frame: that were a cycle
        super().send_packed_command(failing, check_health=False)
        raise AssertionError("redis-py passes on all that is raised")

    def read_on(self, began: float, error: OSError | None = None) -> Any:
        """Read a reply that the short way met something unusual in, an `error` perhaps."""
        assert self._replies is not None
        self._replies.go_on(began, error)
        del error  # its traceback will refer to this frame: that were a cycle
        response = self._read()
        if self._should_reconnect:  # it was a push message that asked for that
            self.lane = None
        return response

    def break_off(self) -> None:
        """Close the connection in the middle of a reply."""
        self.broken = self.reply_lost = True
        self.disconnect()

    # -- the end --------------------------------------------------------------------------

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        """Close the socket; what it held on the server is remembered as lost."""
        self._note_loss()
        # The account is closed after the socket: whoever is interrupted in between must not
        # leave an open socket on which nothing seems to be owed.
        super().disconnect(*args, **kwargs)
        self._owe_nothing()

    def forfeit(self) -> None:
        """Take the connection from another thread that is using it; that one sees EOF.

        The socket is shut down, not closed: the other thread may be inside `recv`, and a
        closed descriptor can be somebody else's by then. It closes with the object.
        """
        self.slot = None
        sock = self._sock
        with suppress(OSError, AttributeError):
            if isinstance(sock, ssl.SSLSocket):
                # Its own shutdown() takes TLS off, under the other thread: what is still
                # there to be read would be read as if it were in plain text.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            else:
                sock.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Do the same as `disconnect()`, by the name that connections of tasks have for it, too."""
        self.disconnect()


def _raising(error: BaseException) -> Iterator[bytes]:
    """Yield nothing to send, and raise `error` for it."""
    try:
        raise error
    finally:
        del error  # its traceback refers to this frame
    yield b""


def guarded(connection_class: type[Any]) -> type[GuardedConnection]:
    """Return `connection_class` with the guard in front, the same class each time.

    Raises `TypeError` for something that is not a class.
    """
    is_own = isinstance(connection_class, type) and is_redis_pys_own(connection_class)
    return put_in_front(GuardedConnection, connection_class, _may_take_short_way=is_own)
