"""Making connections, and making sure of them: all of it before one deadline."""

from __future__ import annotations

from ..books.records import Slot, Waiter
from ..connection import GuardedConnection, guarded
from ..deadline import Deadline
from ..priority import Priority
from .liveness import answers, looks_alive
from .outcomes import DIAL_AT_LEAST, still_dialling
from .trust import ANSWER_WITHIN, Trusting
from .waiting import Waiting

__all__ = ["Dialling"]


class Dialling(Waiting, Trusting):
    """The part of the pool that dials, renews and validates."""

    def _get_with_care(
        self, gift: GuardedConnection, deadline: Deadline | None, priority: Priority
    ) -> GuardedConnection:
        """Lend an idle connection that is in doubt, if it is alive; else another one."""
        assert gift.slot is not None
        began, deadline = gift.slot.taken_at, deadline or Deadline(self.timeout)
        try:
            # With timeout=0, too, it has the time to answer: all that idle would be renewed.
            is_good = self._is_fresh(gift) or self._is_alive(gift, deadline.at_least(DIAL_AT_LEAST))
            dead = None if is_good else self._retire(gift)
        except BaseException as error:
            self._got_nothing(None, began, error)
            raise
        if dead is None:
            self._got_it(None, began)
            return gift
        waiter = Waiter(self.timeout, priority, deadline)
        waiter.began, waiter.ticket = began, 0
        return self._take_turn(waiter, dead)

    def _take_turn(self, waiter: Waiter, dead: Slot | None = None) -> GuardedConnection:
        """Turn a place in the queue into a good connection."""
        try:
            gift = self._make_good(self._queue(waiter, dead), waiter)
        except BaseException as error:
            self._got_nothing(waiter, waiter.began, error)
            raise
        self._got_it(waiter, waiter.began)
        return gift

    def _make_good(self, gift: GuardedConnection | Slot, waiter: Waiter) -> GuardedConnection:
        """Dial in a slot, or make sure of an idle connection; else wait for another one."""
        while True:
            if isinstance(gift, Slot):
                made = self._dial(gift, waiter)
                if made is not None:
                    return made
                gift = self._queue(waiter, still_dialling(gift))
            elif self._is_fresh(gift) or self._is_alive(gift, waiter):
                return gift
            else:
                gift = self._queue(waiter, self._retire(gift))

    def _dial(self, slot: Slot, deadline: Deadline) -> GuardedConnection | None:
        """Make a connection for a caller in a slot that was opened for it.

        None: back into the queue, with the slot. The server takes no more of them, and one
        that is there will do; or the pool was paused meanwhile.
        """
        try:
            connection = self._make(slot, deadline)
        except BaseException as error:
            if self._fail(slot, error):
                raise
            return None
        return connection if self._lend(connection, slot) else None

    def _make(self, slot: Slot, deadline: Deadline) -> GuardedConnection:
        """Make a connection in a slot; the caller frees it when that fails."""
        connection = guarded(self.connection_class)(**self.connection_kwargs)
        self._prepare(connection, slot)
        self._open(connection, slot, deadline.at_least(DIAL_AT_LEAST))
        self._require_open(connection, slot)
        return connection

    def reconnect(self, connection: GuardedConnection) -> None:
        """Dial again for the holder of `connection`, within `timeout`.

        Raises `PoolUnavailableError` when the server cannot be reached, at once when
        the circuit is open.
        """
        slot, deadline = self._begin_to_reconnect(connection)
        try:
            self._admit(connection, slot)
            self._open(connection, slot, deadline)
            self._require_slot(connection, slot)
        except BaseException:
            self._reconnect_failed(slot)
            raise
        finally:
            self._settle()

    def _open(self, connection: GuardedConnection, slot: Slot, deadline: Deadline) -> None:
        """Dial under the deadline and enter in the books how that ended."""
        began = self._begin_dial(connection, slot)
        try:
            connection.open(deadline)
        except BaseException as error:
            self._dial_failed(connection, slot, error, began, deadline)
            raise
        self._dialled(connection, slot, began)

    def _is_alive(self, connection: GuardedConnection, deadline: Deadline) -> bool:
        """Look at an idle connection; ask the server, too, where a look is not enough."""
        assert connection.slot is not None
        last_used = connection.slot.idle_since
        try:
            if not self._is_lendable(connection) or not looks_alive(connection):
                return False
            if not self._is_in_doubt(connection):
                return True
            patience = min(deadline.remaining() / 2, ANSWER_WITHIN)
            if answers(connection, Deadline(patience)):
                return True
        except BaseException:  # of a signal handler, or gevent's timeout
            self._abandon(connection)
            raise
        self._speaks_for_others(last_used, patience)
        return False
