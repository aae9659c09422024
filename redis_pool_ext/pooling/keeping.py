"""Keeping a pool in shape where that takes dials: filling it up."""

from __future__ import annotations

from contextlib import suppress

import redis

from ..books.records import Slot
from ..connection import GuardedConnection
from ..deadline import Deadline
from . import housekeeper
from .dialling import Dialling
from .liveness import answers, looks_alive
from .looking import Looking
from .trust import ANSWER_WITHIN
from .upkeep import LOOK_FOR, Upkeep

__all__ = ["Keeping"]


class Keeping(Dialling, Upkeep, Looking):
    """The part of the pool that keeps it filled."""

    def keep_house(self) -> None:
        """Do one round: close what is too old, fill up to `min_idle`, report leaks.

        With Sentinels, also ask where the master is. While the server is down, dial if that
        is due, so that no caller has to.

        The housekeeper's thread calls this every `housekeeping_interval` seconds; where
        threads are not wanted, call it from a timer of your own.
        """
        self._begin_round()
        with suppress(redis.RedisError, OSError):  # the next caller is told, or the next round
            self._probe_if_due()
            self._look_for_server()
            self._fill(self.min_idle, self._time_to_fill())

    def _probe_if_due(self) -> None:
        slot = self._slot_to_probe()
        if slot is not None:
            self._take_in(self._make_or_free(slot, self._time_to_fill()), slot)

    def _will_probe(self, seconds: float) -> bool:
        return housekeeper.look_after_in(self, seconds)

    def _look_for_server(self) -> None:
        known = self._ledger.server
        if known is not None:
            ask, deadline = self.connection_class.whereabouts, Deadline(LOOK_FOR)
            self._settle_at(ask(self.connection_kwargs, known, deadline), instead_of=known)

    def warm_up(self, count: int | None = None, timeout: float | None = None) -> int:
        """Dial until `count` connections are idle; return how many are.

        For a server's start, after its fork: `count` is `min_idle` if not given. Raises
        what a dial raises, so that a wrong address or password is known before the first
        request; stops after `timeout` seconds (the pool's if not given, but one at least).
        """
        wanted = self._wanted(count)
        self._fill(wanted, self._time_to_fill() if timeout is None else Deadline(timeout))
        return self.stats().idle

    def probe(self, timeout: float) -> bool:
        """Have the server answer, within `timeout` seconds; False if there is nothing to ask it on.

        That is an idle connection, else one that is dialled where there is room, and stays.
        Never waits in the queue, overtakes nobody, and counts as no request. Raises
        what a dial raises, so `PoolUnavailableError` where the server cannot be reached.
        """
        deadline = Deadline(timeout)
        self._notice_fork()
        while (connection := self._take_to_ask()) is not None:
            if self._has_answered(connection, deadline):
                return True
        slot = self._slot_to_fill(self.max_connections)
        if slot is None:
            return False
        self._take_in(self._make_or_free(slot, deadline), slot)
        return True

    def _has_answered(self, connection: GuardedConnection, deadline: Deadline) -> bool:
        """Ask on a connection that was idle; one that does not answer is closed."""
        slot = connection.slot
        assert slot is not None
        patience = min(deadline.remaining() / 2, ANSWER_WITHIN)
        try:
            answered = looks_alive(connection) and answers(connection, Deadline(patience))
        except BaseException:
            self._discard(connection, "stale")
            raise
        if answered:
            self._take_asked(connection, slot)
            return True
        self._discard(connection, "stale")
        self._speaks_for_others(slot.idle_since, patience)
        return False

    def _make(self, slot: Slot, deadline: Deadline) -> GuardedConnection:
        """Make a connection; the housekeeper starts with the first one.

        The observer starts with the first dial: that one fails is worth seeing, too.
        """
        self._observe()
        connection = super()._make(slot, deadline)
        housekeeper.look_after(self)
        return connection

    def _fill(self, wanted: int, deadline: Deadline) -> None:
        """Dial one connection after the other, until enough are idle."""
        while (slot := self._slot_to_fill(wanted)) is not None:
            if deadline.remaining() == 0.0:
                self._free(slot)
                return
            self._take_in(self._make_or_free(slot, deadline), slot)

    def _make_or_free(self, slot: Slot, deadline: Deadline) -> GuardedConnection:
        try:
            return self._make(slot, deadline)
        except BaseException:
            self._free(slot)
            raise
