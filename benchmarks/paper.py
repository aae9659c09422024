"""Our pool on paper: the books are the pool's own, and only time is made up.

`PaperPool` does with the `Ledger` what the pool of threads does with it, at the moments that a
`Clockwork` names.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.books.ledger import Ledger
from redis_pool_ext.books.records import Refusal, Slot, SlotState, Waiter
from redis_pool_ext.books.verdict import Verdict, judge
from redis_pool_ext.deadline import Deadline
from redis_pool_ext.pooling.outcomes import DIAL_AT_LEAST
from redis_pool_ext.pooling.waiting import GLANCE

from .clockwork import Clockwork
from .servers import Server
from .visits import BROKEN, SERVED, Visit

__all__ = ["PaperPool"]


class PaperConnection:
    """A connection, as far as the books look at it; `era` is the server's, when it was made."""

    __slots__ = ("__weakref__", "era", "generation", "last", "slot")

    def __init__(self, slot: Slot, generation: int, era: int) -> None:
        self.slot: Slot | None = slot
        self.generation = generation
        self.era = era
        self.last = None


class Bell:
    """What a waiter sleeps on: who rings it has somebody woken in the same moment."""

    __slots__ = ("_is_silent", "_ring")

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._is_silent = True

    def acquire(self, blocking: bool = True, timeout: float = -1, /) -> bool:
        """Be there to be rung again."""
        self._is_silent = True
        return True

    def release(self) -> None:
        """Ring."""
        self._is_silent = False
        self._ring()

    def locked(self) -> bool:
        """Tell whether it has still to be rung."""
        return self._is_silent


class PaperPool:
    """The pool's books, driven by a clock; `settings` are `RedisPool`'s."""

    def __init__(self, clock: Clockwork, server: Server, **settings: Any) -> None:
        # Of a pool that never connects: its settings are read and checked as always.
        pool = RedisPool(**({"max_lifetime": None, "idle_timeout": None} | settings))
        self.ledger: Ledger = pool._ledger
        self._timeout = pool.timeout
        self._clock = clock
        self._server = server
        self._is_looking = False

    def fill(self) -> None:
        """Have all connections there, and idle: this is not about dials."""
        ledger, now = self.ledger, self._clock.now
        for connection in [
            self._connection(ledger.open_slot(now)) for _ in range(ledger.max_connections)
        ]:
            ledger.connected(connection.slot, now)  # type: ignore[arg-type]  # it has just got one
            ledger.take_in(connection, connection.slot, now)  # type: ignore[arg-type]

    def visit(self, visit: Visit) -> None:
        """Let somebody come for a connection."""
        ledger = self.ledger
        visit.at = self._clock.now
        connection = None if ledger.queue or ledger.lends_by_turn else ledger.take_idle(visit.at)
        if connection is None:
            self._queue(visit)
        elif connection.era != self._server.era:
            self._queue(visit, dead=connection.slot)
        else:
            self._hold(visit, connection)

    # -- the queue: as in Queueing and Waiting -----------------------------------------------

    def _queue(self, visit: Visit, waiter: Waiter | None = None, dead: Slot | None = None) -> None:
        ledger, now = self.ledger, self._clock.now
        if waiter is None:
            waiter = Waiter(self._timeout, until=Deadline(self._timeout, visit.at))
            waiter.wake = Bell(partial(self._clock.after, 0.0, self._woken, visit, waiter))
            waiter.ticket = None if dead is None else 0
        waiter.gift = None
        if dead is not None:
            ledger.give_up(dead)
        if ledger.line_up(waiter, now):
            self._clock.at(waiter.at, self._leave, visit, waiter)
            self._look_later()
        elif waiter.gift is None:
            self._leave(visit, waiter)

    def _woken(self, visit: Visit, waiter: Waiter) -> None:
        gift = waiter.gift
        if gift is None:
            self._leave(visit, waiter)
        elif isinstance(gift, Slot):
            self._dial(visit, waiter, self._connection(gift))
        elif gift.era != self._server.era:
            self._queue(visit, waiter, gift.slot)
        else:
            self._hold(visit, gift)

    def _leave(self, visit: Visit, waiter: Waiter) -> None:
        """End a wait in vain, unless it has ended already."""
        if waiter.gift is not None or visit.end is not None:
            return
        self.ledger.queue.leave(waiter)
        self.ledger.counters.add_wait(self._clock.now - visit.at)
        self._refuse(visit, (waiter.refusal or Refusal.TIMED_OUT).value)

    def _refuse(self, visit: Visit, end: str) -> None:
        self.ledger.counters.add_end(end)
        visit.end_with(end, self._clock.now)

    def _look_later(self) -> None:
        """See to it that those who wait look, now and then, at what nobody was woken for."""
        if not self._is_looking:
            self._is_looking = True
            self._clock.after(GLANCE, self._look)

    def _look(self) -> None:
        self._is_looking = False
        self.ledger.serve(self._clock.now)
        if self.ledger.queue:
            self._look_later()

    # -- dials: as in Outcomes ---------------------------------------------------------------

    def _connection(self, slot: Slot) -> PaperConnection:
        connection = PaperConnection(slot, self.ledger.generation, self._server.era)
        slot.connection = weakref.ref(connection)  # type: ignore[arg-type]  # as good as one
        return connection

    def _dial(self, visit: Visit, waiter: Waiter, connection: PaperConnection) -> None:
        now = self._clock.now
        self._server.dial(partial(self._dialled, visit, connection, now))
        end = max(waiter.at, now + DIAL_AT_LEAST)
        self._clock.at(end, self._cut, visit, connection, end - now)

    def _cut(self, visit: Visit, connection: PaperConnection, had: float) -> None:
        """End a dial at its caller's deadline; what the server does for it, it does in vain."""
        slot = connection.slot
        if slot is not None and slot.state is SlotState.CONNECTING:
            error = redis.TimeoutError("no answer")
            verdict = judge(error, heard=False, had=had, enough=self._timeout)
            is_down = verdict is Verdict.DOWN
            self._fail(visit, slot, verdict, Refusal.UNAVAILABLE if is_down else Refusal.TIMED_OUT)

    def _fail(self, visit: Visit, slot: Slot, verdict: Verdict, refusal: Refusal) -> None:
        self._note_failure(slot, verdict)
        self._refuse(visit, refusal.value)

    def _note_failure(self, slot: Slot, verdict: Verdict) -> None:
        circuit = self.ledger.circuit
        self.ledger.failed(slot, verdict, redis.ConnectionError("down"), self._clock.now)
        if circuit.is_open:  # the housekeeper will look for it
            circuit.is_promised = True
            self._clock.at(circuit.next_probe, self._probe)
        self._close(slot)

    def _probe(self) -> None:
        """Dial for nobody, as the housekeeper does while the server is down."""
        ledger, now = self.ledger, self._clock.now
        if ledger.circuit.is_due(now):
            if ledger.has_room:
                connection = self._connection(ledger.open_slot(now))
                self._server.dial(partial(self._probed, connection, now))
            else:
                ledger.circuit.is_promised = False

    def _probed(self, connection: PaperConnection, began: float, is_there: bool) -> None:
        ledger, now, slot = self.ledger, self._clock.now, connection.slot
        assert slot is not None
        if not is_there:
            self._note_failure(slot, Verdict.DOWN)
            return
        connection.era = self._server.era
        ledger.connected(slot, now)
        ledger.counters.add_dial(now - began)
        ledger.take_in(connection, slot, now)  # type: ignore[arg-type]

    def _dialled(
        self, visit: Visit, connection: PaperConnection, began: float, is_there: bool
    ) -> None:
        ledger, now, slot = self.ledger, self._clock.now, connection.slot
        assert slot is not None
        if visit.end is not None:
            return
        if is_there:
            connection.era = self._server.era
            ledger.connected(slot, now)
            ledger.counters.add_dial(now - began)
            ledger.counters.add_end("acquired")
            ledger.serve(now)
            self._hold(visit, connection)
            return
        self._fail(visit, slot, Verdict.DOWN, Refusal.UNAVAILABLE)

    # -- work, and the way back ----------------------------------------------------------------

    def _hold(self, visit: Visit, connection: PaperConnection) -> None:
        self._server.work(visit.work, partial(self._back, visit, connection))

    def _back(self, visit: Visit, connection: PaperConnection, is_done: bool) -> None:
        ledger, now, slot = self.ledger, self._clock.now, connection.slot
        assert slot is not None
        ledger.claim(slot, now)
        if is_done and now < slot.expires_at:
            ledger.shelve(connection, slot, now)  # type: ignore[arg-type]
            if ledger.queue:
                ledger.serve(now)
        else:
            reason = ledger.take_in(connection, slot, now, "error")  # type: ignore[arg-type]
            ledger.counters.add_discard(reason or "")
            self._close(slot)
        visit.end_with(SERVED if is_done else BROKEN, self._clock.now)

    def _close(self, slot: Slot) -> None:
        slot.state = SlotState.CLOSING
        self.ledger.close_slot(slot)
        self.ledger.serve(self._clock.now)
