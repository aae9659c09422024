# mypy: disable-error-code="no-untyped-call"
"""A connection that knows what it owes: redis-py's class with a guard in front.

The guard counts commands sent minus replies read, remembers commands that leave state
behind and refuses to reconnect into another state. It is mixed into whatever
`connection_class` the pool was given.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, NoReturn, Protocol

import redis
from redis.connection import HiredisRespSerializer
from redis.exceptions import ExecAbortError, ReadOnlyError

from .blocking import patience
from .deadline import Deadline
from .dial import DialledConnection
from .errors import LeaseError, LeaseStateLostError
from .express import Lane, is_redis_pys_own, lane_of
from .forks import getpid
from .packing import NumbersAsText
from .records import Slot
from .sticky import REPLAYED, STREAMING, Effect, effect, name_of

__all__ = ["READ_ONLY", "GuardedConnection", "guarded"]

READ_ONLY = "read only"

_TRANSACTION = frozenset({"WATCH", "MULTI"})
_NO_CHANGE: tuple[set[str], set[str]] = (set(), set())


class Home(Protocol):
    """What a connection asks of the pool that it belongs to."""

    def reconnect(self, connection: GuardedConnection) -> None:
        """Dial again, within the pool's timeout, for the one who holds `connection`."""


class GuardedConnection(DialledConnection):
    """The guard, a mixin: `guarded()` puts it in front of a connection class."""

    slot: Slot | None = None
    home: Callable[[], Home | None] | None = (
        None  # weak, or pool and idle list would keep each other
    )
    generation = 0
    is_looked_at = False
    lane: Lane | None = None  # the short way, while it is open and has one
    _may_take_short_way = False
    _should_reconnect = False  # redis-py 7 and later set it, for maintenance

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.marks: set[str] = set()
        self.pending = 0
        self.broken = False
        self.reply_lost = False  # the last command was sent, and nobody knows whether it ran
        self.read_only = False  # the server is a replica by now: it refused a write
        self.last: Any = None  # the first argument of its holder's last command
        self._patience = 0.0  # seconds that commands on their way may block
        # Packed and not yet sent; None when somebody else packs.
        self._outgoing: list[tuple[Any, ...]] | None = None
        # Their bytes, where the caller has them in hand and may send others.
        self._packed: list[Any] | None = None
        self._unanswered: set[str] = set()  # marks of commands whose reply is owed
        # Marks to take back (first) or to set again (second) should the server say no, by
        # the number of replies that are owed when it does.
        self._if_refused: dict[int, tuple[set[str], set[str]]] = {}
        self._lost: frozenset[str] = frozenset()
        super().__init__(*args, **kwargs)

    # -- connecting -----------------------------------------------------------------

    def open(self, deadline: Deadline) -> None:
        """Connect and shake hands, both before `deadline`.

        Raises redis-py's errors of a failed connection.
        """
        super().open(deadline)
        self.broken = self.read_only = False
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
        if self._lost:
            raise LeaseStateLostError(
                f"the connection dropped after {', '.join(sorted(self._lost))}; what that had "
                "set up on the server is gone, so this lease cannot go on: take a new one"
            )
        home = self.home() if self.home is not None else None
        if home is None or self.slot is None:
            raise LeaseError("this connection was given back to its pool; take a new lease")
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

    def pack_command(self, *args: Any) -> Any:
        """Pack one command for a `send_packed_command` to come."""
        packed = super().pack_command(*args)
        self._outgoing = [*(self._outgoing or ()), args]
        self._packed = [*(self._packed or ()), *packed]
        return packed

    def pack_commands(self, commands: Iterable[tuple[Any, ...]]) -> Any:
        """Pack several commands for one `send_packed_command`."""
        commands = list(commands)
        packed = super().pack_commands(commands)
        self._outgoing, self._packed = commands, packed
        return packed

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send packed bytes; first reconnect or refuse where the replies would not pair.

        Raises `redis.ConnectionError` when an earlier reply was never read.
        """
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
            raise redis.ConnectionError(
                "a reply on this connection was never read (its reader was interrupted); "
                "the connection is closed so that nobody reads it in place of their own"
            )
        before = frozenset(self.marks)
        self.pending += 1 if outgoing is None else len(outgoing)
        if outgoing is None:  # it may leave anything behind
            self.marks.add("bytes packed elsewhere")
        for number, args in enumerate(outgoing or ()):
            self._note(args, self.pending - number)
        self._unanswered |= self.marks - before
        try:
            super().send_packed_command(command, check_health=False)
        except BaseException:
            self.broken = True
            raise
        if self._patience:
            self._wait_for_a_reply(self._patience)

    def _take_outgoing(self, command: Any) -> list[tuple[Any, ...]] | None:
        """Return the commands that these bytes are; None when they were packed elsewhere."""
        outgoing, self._outgoing = self._outgoing, None
        packed, self._packed = self._packed, None
        return outgoing if packed is None or packed == command else None

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Read one reply, and note that one less is owed."""
        if self._replies is not None:
            self._replies.is_first = True
        return self._read(*args, **kwargs)

    def _read(self, *args: Any, **kwargs: Any) -> Any:
        try:
            response = super().read_response(*args, **kwargs)
        except redis.ResponseError as error:
            if isinstance(error, ReadOnlyError):
                self.turn_read_only()
            # EXECABORT ends the transaction as EXEC does.
            self._answered(refused=not isinstance(error, ExecAbortError))
            raise
        except BaseException:
            self.broken = self.reply_lost = True
            raise
        self._answered(refused=False)
        return response

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

    # -- what there is to be read -----------------------------------------------------------

    def can_read(self, timeout: float = 0) -> bool:
        """Tell whether there is something to read, within so many seconds."""
        if self._replies is not None:
            self._replies.is_first = True  # redis-py 6 reads to find out
        return bool(super().can_read(timeout))

    def turn_read_only(self) -> None:
        """Note that the server is a replica by now, and not the one to talk to."""
        self.read_only = True
        self.lane = None

    def _wait_for_a_reply(self, longer: float) -> None:
        """Let the next replies take so many seconds more than `socket_timeout`."""
        if self._socket_timeout is None or not isinstance(self._sock, socket.socket):
            return
        limit = self._socket_timeout + longer
        self._sock.settimeout(limit if limit <= threading.TIMEOUT_MAX else None)

    def _is_subscriber(self) -> bool:
        """Tell whether replies do not pair up with requests here: PubSub, MONITOR."""
        # PubSub registers a callback for reconnects, before it sends anything.
        callbacks = getattr(self, "_connect_callbacks", ())
        return len(callbacks) > 1 or not self.marks.isdisjoint(STREAMING)

    def _answered(self, *, refused: bool) -> None:
        if self._if_refused:
            wrong, right = self._if_refused.pop(self.pending, _NO_CHANGE)
            if refused:
                self.marks -= wrong
                self.marks |= right
        if self.pending:
            self.pending -= 1
        if self._patience and not self.pending:
            self._patience = 0.0
            self._wait_for_a_reply(0.0)
        if not self.pending:
            self._unanswered.clear()
            self._if_refused.clear()

    def _note(self, args: tuple[Any, ...], owed: int) -> None:
        """Keep the marks in step with a command that is about to be sent.

        Its reply will be read when `owed` replies are, it included.
        """
        self.last = args[0] if args else None
        found = effect(args)
        if found is Effect.NONE:
            return
        in_transaction = "MULTI" in self.marks
        if found is Effect.BLOCK:
            if not in_transaction:  # there it blocks nobody
                self._patience += patience(name_of(args), args)
        elif found is Effect.EXEC and in_transaction:
            self._end({"MULTI", "WATCH"}, owed)
        elif found is Effect.UNWATCH and not in_transaction:
            self._end({"WATCH"}, owed)
        elif found not in (Effect.EXEC, Effect.UNWATCH):
            self._mark(name_of(args), owed)

    def _mark(self, name: str, owed: int) -> None:
        """Note what a command leaves; a refused WATCH, alone or last, leaves nothing."""
        if name == "WATCH" and owed == 1 and name not in self.marks:
            self._if_refused[owed] = {name}, set()
        self.marks.add(name)

    def _end(self, names: set[str], owed: int) -> None:
        """Take marks away; they come back should UNWATCH, EXEC or DISCARD be refused."""
        ended = self.marks & names
        self._if_refused[owed] = set(), ended
        self.marks -= ended

    # -- the end --------------------------------------------------------------------------

    def dirt(self) -> str | None:
        """Say why the next borrower must not get this connection; None when it may."""
        if self._sock is None:
            return "error" if self.broken else "closed"
        if self.pending:
            return "unread reply"
        if self.marks:
            return "left in " + ", ".join(sorted(self.marks))
        if self.read_only:
            return READ_ONLY
        return "reconnect asked" if self._should_reconnect else None

    def transaction_over(self) -> None:
        """Forget a WATCH or MULTI lost with its socket: its pipeline was told, and ended."""
        if self._lost <= _TRANSACTION:
            self._lost = frozenset()

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        """Close the socket; what it held on the server is remembered as lost."""
        if self._sock is not None and self.marks and self._deadline is None:
            # State that was never confirmed was never relied on.
            self._lost = frozenset(self.marks - REPLAYED - self._unanswered)
        self.lane = None
        # The account is closed after the socket: whoever is interrupted in between must not
        # leave an open socket on which nothing seems to be owed.
        super().disconnect(*args, **kwargs)
        self._owe_nothing()

    def _begin_anew(self) -> None:
        """Forget what the handshake itself has sent."""
        self._owe_nothing()
        self.last = None

    def _owe_nothing(self) -> None:
        self.pending = 0
        self._patience = 0.0
        self._unanswered.clear()
        self.marks.clear()
        self._if_refused.clear()

    @property
    def last_command(self) -> str | None:
        """Name its holder's last command, without the arguments; None before the first."""
        return name_of((self.last,)) if self.last is not None else None

    @property
    def is_busy(self) -> bool:
        """Tell whether somebody is in the middle of a dial, or of a look at it."""
        return self.is_dialling or self.is_looked_at

    def forfeit(self) -> None:
        """Take the connection from another thread that is using it; that one sees EOF.

        The socket is shut down, not closed: the other thread may be inside `recv`, and a
        closed descriptor can be somebody else's by then. It closes with the object.
        """
        self.slot = None
        with suppress(OSError, AttributeError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def retire(self) -> None:
        """Close for good: whoever still refers to this connection cannot revive it."""
        self.slot = None
        self.disconnect()

    @property
    def is_connected(self) -> bool:
        """Tell whether there is a socket (redis-py 6 cannot say)."""
        return self._sock is not None

    @property
    def is_inherited(self) -> bool:
        """Tell whether the socket was opened by another process, before a fork."""
        return bool(self.pid != getpid())


def _raising(error: BaseException) -> Iterator[bytes]:
    """Yield nothing to send, and raise `error` for it."""
    try:
        raise error
    finally:
        del error  # its traceback refers to this frame
    yield b""


_guards: dict[type[Any], type[GuardedConnection]] = {}


def guarded(connection_class: type[Any]) -> type[GuardedConnection]:
    """Return `connection_class` with the guard in front, the same class each time.

    Raises `TypeError` for something that is not a class.
    """
    if not isinstance(connection_class, type):
        raise TypeError(
            f"connection_class must be a class, such as redis.Connection, not {connection_class!r}"
        )
    if issubclass(connection_class, GuardedConnection):
        return connection_class
    if connection_class not in _guards:
        name = f"Guarded{connection_class.__name__}"
        facts = {"_may_take_short_way": is_redis_pys_own(connection_class)}
        guard = type(name, (GuardedConnection, connection_class), facts)
        return _guards.setdefault(connection_class, guard)
    return _guards[connection_class]
