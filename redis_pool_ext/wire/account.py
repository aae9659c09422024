# mypy: disable-error-code="no-untyped-call"
"""What a connection owes, and what it holds on the server: the books of one connection.

Commands sent minus replies read, and marks of the commands that leave state behind. Nothing
here waits or talks to a server, so connections of threads and of tasks have it in common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import ExecAbortError, ReadOnlyError

from ..books.records import Slot
from ..budget import Budget
from ..deadline import Deadline
from ..errors import LeaseError, LeaseStateLostError
from ..forks import getpid
from .blocking import patience
from .sticky import REPLAYED, STREAMING, Effect, effect, name_of

__all__ = ["READ_ONLY", "Account"]

READ_ONLY = "read only"

_TRANSACTION = frozenset({"WATCH", "MULTI"})
_NO_CHANGE: tuple[set[str], set[str]] = (set(), set())


if TYPE_CHECKING:

    class _Mixin:
        """What the books ask of the connection that they are mixed into."""

        pid: int
        _sock: Any
        _deadline: Deadline | None
        is_dialling: bool
        heard: bool
        met_silence: bool
        is_tls: bool
        said: tuple[Any, ...]
        retry: Any
        budget: Budget | None

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...
        @property
        def is_spent(self) -> bool: ...
        def pack_command(self, *args: Any) -> Any: ...
        def pack_commands(self, commands: Any) -> Any: ...
        def lend(self, budget: Budget | None) -> None: ...
        def cut(self) -> None: ...
        def forfeit(self) -> None: ...

else:
    _Mixin = object


class Account(_Mixin):
    """The books, a mixin: it comes before the connection class whose commands it counts."""

    slot: Slot | None = None
    home: Callable[[], Any] | None = None  # weak, or pool and idle list would keep each other
    # Whom a SharedPool took it from, and when. Weak, too: a lease would have itself by way of it.
    lender: tuple[Callable[[], Any], float]
    generation = 0
    is_looked_at = False
    # Of a connection that was told where to go (by a Sentinel): where that is, when all of a
    # pool go there; the seconds after which to ask again, where it is a makeshift.
    server: tuple[str, int] | None = None
    keep_for: float | None = None
    is_for_reading = False  # a refused write says nothing new
    lane: Any = None  # the short way, while it is open and has one
    _may_take_short_way = False
    _should_reconnect = False  # redis-py 7 and later set it, for maintenance

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.marks: set[str] = set()
        self.pending: int = 0
        self.broken: bool = False
        self.reply_lost: bool = False  # the last command was sent, and nobody knows whether it ran
        self.read_only: bool = False  # the server is a replica by now: it refused a write
        self.is_left: bool = False  # the server is not the one to talk to any more
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

    # -- what is sent -----------------------------------------------------------------------

    def pack_command(self, *args: Any) -> Any:
        """Pack one command for a `send_packed_command` to come."""
        packed = super().pack_command(*args)
        self._outgoing = [*(self._outgoing or ()), args]
        self._packed = [*(self._packed or ()), *packed]
        return packed

    def pack_commands(self, commands: Iterable[Any]) -> Any:
        """Pack several commands for one `send_packed_command`."""
        commands = list(commands)
        packed = super().pack_commands(commands)
        self._outgoing, self._packed = commands, packed
        return packed

    def _take_outgoing(self, command: Any) -> list[tuple[Any, ...]] | None:
        """Return the commands that these bytes are; None when they were packed elsewhere."""
        outgoing, self._outgoing = self._outgoing, None
        packed, self._packed = self._packed, None
        return outgoing if packed is None or packed == command else None

    def _note_all(self, outgoing: list[tuple[Any, ...]] | None) -> None:
        """Note commands that are about to be sent; None: nobody knows which."""
        before = frozenset(self.marks)
        self.pending += 1 if outgoing is None else len(outgoing)
        if outgoing is None:  # it may leave anything behind
            self.marks.add("bytes packed elsewhere")
        for number, args in enumerate(outgoing or ()):
            self._note(args, self.pending - number)
        self._unanswered |= self.marks - before

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

    # -- what is answered -------------------------------------------------------------------

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

    def _refused(self, error: redis.ResponseError) -> None:
        """Note a reply that says no."""
        if isinstance(error, ReadOnlyError) and not self.is_for_reading:
            self.turn_read_only()
        # EXECABORT ends the transaction as EXEC does.
        self._answered(refused=not isinstance(error, ExecAbortError))

    def turn_read_only(self) -> None:
        """Note that the server is a replica by now, and not the one to talk to."""
        self.read_only = True
        self.lane = None

    def leave(self) -> None:
        """Note that the server is not the one to talk to any more; callable from anywhere.

        The holder's next command finds another one, or is told what was lost.
        """
        self.is_left = True
        self.lane = None

    def _wait_for_a_reply(self, longer: float) -> None:
        """Let the next replies take so many seconds more than `socket_timeout`."""

    def _is_subscriber(self) -> bool:
        """Tell whether replies do not pair up with requests here: PubSub, MONITOR."""
        # PubSub registers a callback for reconnects, before it sends anything.
        callbacks = getattr(self, "_connect_callbacks", ())
        return len(callbacks) > 1 or not self.marks.isdisjoint(STREAMING)

    def _never_read(self) -> redis.ConnectionError:
        """Return what a command is told that would meet another one's reply."""
        return redis.ConnectionError(
            "a reply on this connection was never read (its reader was interrupted); "
            "the connection is closed so that nobody reads it in place of their own"
        )

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

    def _home_to_reconnect(self) -> Any:
        """Return the pool that is to dial again, for the holder of a closed connection.

        Raises `LeaseError` when the connection was given back, `LeaseStateLostError` when
        the socket that is gone held state.
        """
        if self._lost:
            raise LeaseStateLostError(
                f"the connection dropped after {', '.join(sorted(self._lost))}; what that had "
                "set up on the server is gone, so this lease cannot go on: take a new one"
            )
        home = self.home() if self.home is not None else None
        if home is None or self.slot is None:
            raise LeaseError("this connection was given back to its pool; take a new lease")
        return home

    def retire(self) -> None:
        """Close for good: whoever still refers to this connection cannot revive it."""
        self.slot = None
        self.cut()

    @property
    def has_lost_state(self) -> bool:
        """Tell whether the socket that is gone held state that somebody relied on."""
        return bool(self._lost)

    def transaction_over(self) -> None:
        """Forget a WATCH or MULTI lost with its socket: its pipeline was told, and ended."""
        if self._lost <= _TRANSACTION:
            self._lost = frozenset()

    def _note_loss(self) -> None:
        """Remember what the socket holds that is about to be closed."""
        self.lane = None
        if self._sock is not None and self.marks and self._deadline is None:
            # State that was never confirmed was never relied on.
            self._lost = frozenset(self.marks - REPLAYED - self._unanswered)

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

    # -- what it is ----------------------------------------------------------------------

    @property
    def last_command(self) -> str | None:
        """Name its holder's last command, without the arguments; None before the first."""
        return name_of((self.last,)) if self.last is not None else None

    @property
    def is_busy(self) -> bool:
        """Tell whether somebody is in the middle of a dial, or of a look at it."""
        return self.is_dialling or self.is_looked_at

    @property
    def is_waited_for(self) -> bool:
        """Tell whether somebody dials, or waits for a reply that is sure to come."""
        return self.is_dialling or bool(self.pending and not self._is_subscriber())

    @property
    def is_connected(self) -> bool:
        """Tell whether there is a socket (redis-py 6 cannot say)."""
        return self._sock is not None

    @property
    def is_inherited(self) -> bool:
        """Tell whether the socket was opened by another process, before a fork."""
        return bool(self.pid != getpid())
