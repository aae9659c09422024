"""What the leases of threads and of tasks have in common: what they hold, and for whom."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..books.comeback import whole_seconds
from ..budget import Budget
from ..deadline import Deadline
from ..errors import ConnectionPoolTimeoutError, LeaseError
from ..forks import getpid
from ..priority import Priority
from ..wire.express import is_recording
from ..wire.spending import Spending
from .facade import Facade

if TYPE_CHECKING:
    from ..books.records import Slot
    from ..pooling.base import PoolBase
    from ..wire.account import Account

__all__ = ["LOOK_IN_LEASE_AFTER", "Holding", "HoldingOfThreads"]

# Seconds. A leased connection that was not used for this long is looked at before the
# next command: a server that restarts or cleans up meanwhile is then met by a new dial
# instead of an error. Longer than a view that talks to Redis pauses between two commands.
LOOK_IN_LEASE_AFTER = 0.005


class Holding(Facade):
    """A hold on at most one connection of `pool`, shaped as a pool of one."""

    # Who takes turns on it, and where its clients come from: for messages.
    _kind: str
    _door: str

    # What exchanges an ordinary command for its reply, without a budget and with one.
    _ways: tuple[Callable[..., Any], Callable[..., Any]]

    _ended = False
    # The one of these that is open now; None: only redis-py's is.
    _short_way: Callable[..., Any] | None = None
    # When the last exchange ended, or began if it took the short way (monotonic, seconds).
    _used_at = 0.0
    _patience: Deadline | None = None  # what a refusal has left of it

    def __init__(
        self,
        pool: PoolBase,
        holder: object = None,
        *,
        waits_once: bool = False,
        budget: Budget | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> None:
        # Few lines on purpose: each request makes a lease.
        self.pool = pool
        self.waits_once = waits_once
        self._budget = budget
        self.priority = priority
        self._holder = holder
        # The connection, or nothing. Whoever pops it owes its return: pop() is one step,
        # so of two that end the lease only one gets it.
        self.held: list[Any] = []
        self._extra: list[Any] = []  # those of pubsub() and monitor()
        self._pid = getpid()
        self._turn: Any = self._new_turn()

    def _new_turn(self) -> Any:
        """Return what those who share it take turns by; None: nothing does."""
        return None

    @property
    def holder(self) -> object:
        """Who borrows, for warnings and reports: a text, or what is asked for one then."""
        return self._holder

    @holder.setter
    def holder(self, name: object) -> None:
        self._holder = name
        for connection in (*self.held, *self._extra):
            self._sign(connection)

    @property
    def budget(self) -> Budget | None:
        """What it may spend on Redis in all; None: as much as it takes."""
        return self._budget

    @budget.setter
    def budget(self, budget: Budget | None) -> None:
        self._budget = budget
        if self._short_way is not None:
            self._choose_way()
        self._hand_on(budget)

    def _hand_on(self, budget: Budget | None) -> None:
        """Let what is held know of another budget."""
        for connection in (*self.held, *self._extra):
            connection.lend(budget)
            # Given back in this moment, by another thread or a signal handler: nothing of ours
            # is to be found there by the next borrower, who may have lent its own.
            is_back = connection not in self.held and connection not in self._extra
            if is_back and connection.budget is budget:
                connection.lend(None)

    def _choose_way(self) -> None:
        """Choose how ordinary commands go, with this budget."""
        if self.pool.hold == "command" or is_recording():
            self._short_way = None
        else:
            self._short_way = self._ways[self._budget is not None]

    def _spend(self) -> Spending:
        """Return what counts the time of a lease with a budget."""
        assert self._budget is not None
        return Spending(self._budget, self.pool)

    def __repr__(self) -> str:
        state = "ended" if self._ended else "holding" if self.held else "open"
        return f'<{type(self).__name__} of "{self.pool.alias}", {state}>'

    @property
    def has_ended(self) -> bool:
        """Tell whether `end()` was called."""
        return self._ended

    def held_seconds(self) -> float:
        """Return for how long it has had the connections that it holds right now, in sum."""
        now = monotonic()
        slots: list[Slot | None] = [each.slot for each in (*self.held, *self._extra)]
        return sum((now - slot.taken_at for slot in slots if slot is not None), 0.0)

    def _sign(self, connection: Account) -> None:
        """Write into the pool's books who has the connection."""
        if connection.slot is not None:
            connection.slot.holder = self._holder

    def _make_own(self, connection: Account) -> None:
        """Make a connection that was taken this borrower's; raises `LeaseError` after the end."""
        self._patience = None
        if self._budget is not None:
            connection.lend(self._budget)
        self._choose_way()
        if self._holder is not None:
            self._sign(connection)
        if self._ended:  # by another thread, or while this task was waiting
            raise self._misuse()

    def _add_extra(self, connection: Account) -> None:
        """Do the same with one of pubsub() or monitor()."""
        self._extra.append(connection)
        if self._budget is not None:
            connection.lend(self._budget)
        self._sign(connection)
        if self._ended:  # as above
            self._give_back_extra()
            raise self._misuse()

    def _look(self, connection: Account) -> None:
        """Close a connection on which the next command would go wrong; it is dialled anew.

        Nothing of that command was sent yet, and no state is lost: with any on it, the
        connection is left to fail, which is told. But not to go on with a server that is
        not the one any more: that state is lost, and told to be.
        """
        if connection.pending or connection.is_left:
            # An exchange was interrupted: its late answer must not meet this command.
            connection.cut()
        elif not connection.marks and connection.is_connected:
            was_idle = monotonic() - self._used_at > LOOK_IN_LEASE_AFTER
            if connection.read_only or (was_idle and not self.looks_alive(connection)):
                connection.cut()

    def looks_alive(self, connection: Any) -> bool:
        """Look at a connection without a round trip: still open, and nothing to read."""
        raise NotImplementedError

    def _give_back_extra(self) -> None:
        while self._extra:
            connection = self._extra.pop()
            connection.cut()  # subscribed, most likely
            self._return(connection)

    def _return(self, connection: Any) -> None:
        """Give a connection to the pool, without what is this borrower's."""
        raise NotImplementedError

    def _pop_held(self) -> Any:
        try:
            return self.held.pop()
        except IndexError:
            return None

    def _misuse(self) -> LeaseError:
        alias = self.pool.alias
        if self._ended:
            message = (
                f'the lease of "{alias}" has ended with its request or `with` block; '
                f"call {self._door}() for a client that works here"
            )
        else:
            message = (
                f'the lease of "{alias}" belongs to the process {self._pid}; after a fork, '
                "take a lease in the child"
            )
        return LeaseError(message, alias=alias)

    def _busy(self) -> ConnectionPoolTimeoutError:
        return ConnectionPoolTimeoutError(
            f'another {self._kind} used this lease of "{self.pool.alias}" for more than '
            f"{self.pool.timeout:.2f} s; give each {self._kind} a lease of its own",
            alias=self.pool.alias,
            stats=self.pool.stats(),
            retry_after=whole_seconds(1.0),
        )


class HoldingOfThreads(Holding):
    """What redis-py's words for a pool mean to a lease, of one server or of a cluster."""

    _kind, _door = "thread", "get_redis"

    def give_back(self) -> None:
        """Give back what is held, early; the next command takes some again."""
        raise NotImplementedError

    def end(self) -> None:
        """End the lease; never waits."""
        raise NotImplementedError

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Give back what is leased; others' connections are not touched."""
        self.give_back()

    def reset(self) -> None:
        """Give back what is leased."""
        self.give_back()

    def close(self) -> None:
        """End the lease."""
        self.end()
