"""The lease: one borrower's hold on one connection, shaped as a pool of one.

Everything that a client makes (pipelines, transactions, locks, scripts) asks its
`connection_pool` for a connection. A leased client's pool is the lease, so all of them
stay on the leased connection and none takes a second one.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from .connection import GuardedConnection
from .deadline import Deadline
from .errors import LeaseError, PoolExhaustedError, PoolUnavailableError
from .forks import getpid, here
from .leasing.holding import LOOK_IN_LEASE_AFTER, HoldingOfThreads
from .pooling.interface import ConnectionPoolInterface
from .pooling.liveness import looks_alive
from .wire.express import MISSED, exchange

if TYPE_CHECKING:
    from .client import LeasedRedis
    from .pool import RedisPool

__all__ = ["Lease"]


class Lease(HoldingOfThreads, ConnectionPoolInterface):
    """A hold on at most one connection of `pool`, taken at the first command.

    A context manager over its client; `end()` gives the connection back, and after that
    (or in a forked child) every use raises `LeaseError`. Threads that share a lease take
    turns, each waiting at most the pool's `timeout`.
    """

    pool: RedisPool
    held: list[GuardedConnection]
    _extra: list[GuardedConnection]
    _turn: threading.RLock
    _ways = exchange, GuardedConnection.exchange_in_budget

    depth: int = 0  # get_connection() minus release(), of the thread whose turn it is
    _is_taking = False  # that thread is on its way to a connection
    # That thread is in an exchange, which ends in a `finally`.
    is_talking: bool = False

    def _new_turn(self) -> threading.RLock:
        # Held by the thread whose turn it is, from taking the connection out to putting
        # it back; re-entrant, as a command may run inside that thread's own WATCH.
        return threading.RLock()

    def __enter__(self) -> LeasedRedis:
        return self.client()

    def __exit__(self, *_exc: object) -> None:
        self.end()

    def client(self) -> LeasedRedis:
        """Return a client that runs all its commands on this lease."""
        return self.pool.client_factory.leased(self)

    # -- the pool of one ---------------------------------------------------------------

    def take(self) -> None:
        """Take the connection, if that has not happened yet; raises as `get_connection`.

        Does nothing where each command is to borrow for itself.
        """
        if self.pool.hold != "command":
            self.get_connection()
            self._put_back()

    def exchange(self, name: Any, packed: bytes) -> Any:
        """Send an ordinary command, and return its reply; raises what redis-py does.

        `MISSED` if something is not as usual (no connection yet, a long pause, state on it,
        another thread, ...): nothing was sent, and `get_connection` knows what to do.
        """
        if not here[0] or self.is_talking or not self._turn.acquire(False):
            return MISSED
        try:
            self.is_talking = True  # before the look: a signal handler may end the lease
            now = monotonic()
            for connection in self.held:
                lane, short_way = connection.lane, self._short_way
                if (
                    lane is not None
                    and short_way is not None
                    and not connection.pending
                    and not connection.marks
                    and self.depth == 0
                    and now - self._used_at < LOOK_IN_LEASE_AFTER
                ):
                    self._used_at = now
                    connection.last = name
                    connection.pending = 1
                    return short_way(connection, lane, packed)
            return MISSED
        finally:
            self.is_talking = False
            self._turn.release()

    def get_connection(
        self, command_name: str | None = None, *keys: Any, **options: Any
    ) -> GuardedConnection:
        """Take the lease's connection for one exchange; the caller owes a `release`.

        The first call takes it from the pool, and raises what `RedisPool.get_connection`
        raises. Raises `ConnectionPoolTimeoutError` when another thread does not put it
        back within the pool's `timeout`, `LeaseError` after the end, in a fork's child, and
        to a signal handler or finalizer that interrupts a command of its own thread.
        """
        if self._ended or self._pid != getpid():
            raise self._misuse()
        deadline = None
        if not self._turn.acquire(False):
            deadline = Deadline(self.pool.timeout)  # one, for the turn and the pool
            if not self._wait_for_turn(deadline):
                raise self._busy()
        try:
            self.depth += 1
            if self._is_taking or self._is_interrupting():
                raise self._interrupts()
            if not self.held:
                return self._take(deadline)
            connection = self.held[0]
            if self.depth == 1:
                self._look(connection)
            return connection
        except BaseException:
            self._put_back()
            raise

    def release(self, connection: Any) -> None:
        """Put the connection back after an exchange; the lease keeps it until its end."""
        if connection in self._extra:
            self._extra.remove(connection)
            self._return(connection)
        elif self.depth:
            self._put_back()

    def _take(self, deadline: Deadline | None) -> GuardedConnection:
        if self.waits_once and self._patience is not None:
            deadline = self._patience
        began = monotonic()
        try:
            self._is_taking = True
            if self.held:  # a signal handler of this thread was quicker
                return self.held[0]
            connection = self._from_pool(deadline)
            self.held.append(connection)
        except (PoolExhaustedError, PoolUnavailableError):
            # A request that goes on after a refusal (a session that is optional, a view
            # with a fallback) would otherwise wait as many timeouts as it has commands.
            self._patience = deadline or Deadline(self.pool.timeout, began)
            raise
        finally:
            self._is_taking = False
        self._make_own(connection)
        return connection

    def _from_pool(self, deadline: Deadline | None) -> GuardedConnection:
        if self._budget is None:
            return self.pool.get_connection(deadline=deadline, priority=self.priority)
        with (spending := self._spend()):
            spending.require()
            deadline = self._budget.cut(deadline or Deadline(self.pool.timeout))
            return self.pool.get_connection(deadline=deadline, priority=self.priority)

    def _wait_for_turn(self, deadline: Deadline) -> bool:
        if self._budget is None:
            return self._turn.acquire(timeout=deadline.remaining())
        with self._spend():
            if not self._turn.acquire(timeout=self._budget.cut(deadline).remaining()):
                raise self._busy()
        return True

    def looks_alive(self, connection: GuardedConnection) -> bool:
        """Look at a connection without a round trip: still open, and nothing to read."""
        return looks_alive(connection)

    def _put_back(self) -> None:
        """End this thread's turn, and with it what waited for that."""
        self.depth -= 1
        self._used_at = monotonic()
        try:
            if self.depth == 0 and (self._ended or self.pool.hold == "command"):
                self._give_back_held()
        finally:
            try:
                self._turn.release()
            except RuntimeError:
                # A pipeline of a thread that has gone is collected in another one: the
                # turn stays with the dead thread, and the end forfeits the connection.
                self.depth += 1

    def put_back_to(self, depth: int) -> None:
        """Put the connection back as often as it takes until this thread has it `depth` times."""
        for _ in range(self.depth - depth):
            self._put_back()

    def take_extra(self) -> GuardedConnection:
        """Take one more connection, for pubsub() or monitor(); it comes back with the lease."""
        if self._ended or self._pid != getpid():
            raise self._misuse()
        connection = self._from_pool(None)
        self._add_extra(connection)
        return connection

    # -- giving back -------------------------------------------------------------------

    def give_back(self) -> None:
        """Give the connection back early; the next command takes one again.

        State that was set up on it (WATCH, SELECT, ...) is gone then, and a pipeline that
        still has the connection cannot go on. Raises `ConnectionPoolTimeoutError` when
        another thread keeps the connection for longer than the pool's `timeout`.
        """
        if self._pid != getpid():
            raise self._misuse()
        if not self._wait_for_turn(Deadline(self.pool.timeout)):
            raise self._busy()
        try:
            self._give_back_held()
        finally:
            self._turn.release()

    def end(self) -> None:
        """End the lease: everything it holds goes back to the pool. Twice is fine.

        Never waits. From another thread that is in the middle of an exchange the
        connection is taken away; one that is dialling gives back as it leaves.
        """
        self._ended = True
        try:
            self._end_held()
        finally:
            if self._extra:
                self._give_back_extra()

    def _end_held(self) -> None:
        if self._pid != getpid():
            self._give_back_held()  # after a fork: our copy of the socket only
        elif self._turn.acquire(False):
            try:
                self._give_back_held()
            finally:
                self._turn.release()
        elif not any(connection.is_dialling for connection in tuple(self.held)):
            connection = self._pop_held()
            if connection is not None:
                self.pool.forfeit(connection)

    def _give_back_held(self) -> None:
        connection = self._pop_held()
        if connection is not None:
            if self.depth or self.is_talking:
                # A pipeline of this thread still refers to it, or a command that a signal
                # handler interrupts; neither must meet the next borrower there.
                connection.disconnect()
            if connection.budget is not None:
                connection.lend(None)
            self.pool.release(connection)

    def _return(self, connection: GuardedConnection) -> None:
        """Give a connection to the pool, without what is this borrower's."""
        if connection.budget is not None:
            connection.lend(None)
        self.pool.release(connection)

    @property
    def is_watching(self) -> bool:
        """Tell whether this thread is between a WATCH and its EXEC on the connection."""
        mine: bool = self._turn._is_owned()  # type: ignore[attr-defined]
        return mine and any("WATCH" in connection.marks for connection in tuple(self.held))

    def _is_interrupting(self) -> bool:
        """Tell whether this thread's own command, dial or look is not over yet.

        By what ends in a `finally` without a call: `depth` is too high for good when an
        exception strikes in the wrong moment.
        """
        return any(
            connection.is_busy or (self.is_talking and connection.pending)
            for connection in tuple(self.held)
        )

    def _interrupts(self) -> LeaseError:
        return LeaseError(
            f'the lease of "{self.pool.alias}" is in the middle of another command of this '
            "thread; in a signal handler or finalizer take a lease of its own",
            alias=self.pool.alias,
        )

    def re_auth_callback(self, token: Any) -> None:
        """Tell the pool that credentials changed."""
        self.pool.re_auth_callback(token)
