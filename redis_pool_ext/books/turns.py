"""Whose turn it is: who is served next, who may wait, and who is sent away.

A part of the books (`ledger.py`); all of it under the pool's lock.
"""

from __future__ import annotations

from ..priority import Priority
from .circuit import Circuit
from .codel import Codel
from .life import Life
from .line import Line
from .records import Refusal, Slot, Waiter
from .shelf import Shelf
from .terms import Terms

__all__ = ["Turns"]


class Turns(Shelf):
    """The queue, its terms, and whether too many come."""

    circuit: Circuit

    def __init__(self, life: Life, terms: Terms) -> None:
        super().__init__(life)
        self.terms = terms
        self.queue: Line = Line()
        self.codel = terms.codel()
        self.is_paused: bool = False
        # Whether nothing is lent but to who stands in line, be it for a moment.
        self.lends_by_turn: bool = False
        # Whether somebody new may be refused though all is well.
        self.is_choosy: bool = self.codel is not None or terms.max_waiting is not None
        self.watch_turns()

    def may_connect(self, now: float) -> bool:
        """Tell whether one more dial may start."""
        raise NotImplementedError

    def open_slot(self, now: float) -> Slot:
        """Take a free slot to dial in."""
        raise NotImplementedError

    def line_up(self, waiter: Waiter, now: float) -> bool:
        """Put a waiter into the queue; tell whether it has to wait there.

        If not, it has a gift, or a refusal and is in the queue no more.
        """
        is_new = waiter.ticket is None
        if is_new:
            waiter.since = now
        else:
            self._welcome_back(waiter, now)
        # With timeout=0 it is over by now, and what is there shall still be its own.
        waiter.at = now if waiter.at < now else waiter.at
        if self.codel is not None and not self.is_paused:
            self._expect(self.codel, now)
        self.queue.join(waiter)
        if self.idle or len(self._slots) < self.max_connections:
            self.serve(now)
            if waiter.gift is not None or waiter.refusal is not None:
                return False
        if self.is_closed or self.circuit.is_open or self.is_choosy:
            waiter.refusal = self.refusal(waiter, now, is_new)
            if waiter.refusal is not None:
                self.queue.leave(waiter)
                return False
        if not waiter.has_waited:
            waiter.has_waited = True
            self.queue.begun += 1
        return True

    def _welcome_back(self, waiter: Waiter, now: float) -> None:
        """Have one wait again that had its turn, and got nothing good."""
        waiter.since = waiter.since or now
        if not waiter.wake.locked():  # it was woken
            waiter.wake.acquire()  # never in vain: gevent's would switch greenlets, here

    def serve(self, now: float) -> None:
        """Give what is free to those who wait, in their order.

        A gift is written before its waiter is dismissed: if an exception strikes in between,
        the next call finishes the work.
        """
        if self.is_paused:
            return
        if self.codel is not None and (self.queue or self.codel.is_overloaded):
            self._look_at_load(self.codel, now)
        queue = self.queue
        while queue and not self.is_paused:  # since a moment, by a signal handler
            waiter = queue.first()
            if waiter is None or not self._give(waiter, now):
                return
            was_the_last = not self.idle and len(self._slots) >= self.max_connections
            queue.dismiss(waiter)
            if was_the_last:
                return  # the usual end: one came back, and one was served

    def _give(self, waiter: Waiter, now: float) -> bool:
        """Give a waiter what there is for it; False if it is still to wait."""
        if waiter.gift is not None or waiter.at < now:
            return True
        if self.terms.keeps_some and not self._may_have(waiter.priority):
            return False
        if self.idle:
            waiter.gift = self.take_idle(now)
        if waiter.gift is None:
            if not self.may_connect(now):
                return False
            waiter.gift = self.open_slot(now)
        if self.codel is not None:
            self.codel.served(now - waiter.since)
        return True

    def _may_have(self, priority: Priority) -> bool:
        """Tell whether there is a connection for one of this priority, idle or not made yet."""
        most = self.max_connections - self.terms.kept_from[priority]
        in_use = len(self._slots) - len(self.idle)
        return in_use < max(most, 1)

    def refuse_all(self, refusal: Refusal) -> None:
        """Send everybody away who still waits."""
        while (waiter := self.queue.first()) is not None:
            self._send_away(waiter, refusal)

    def refusal(self, waiter: Waiter, now: float, is_new: bool) -> Refusal | None:
        """Say why a waiter cannot stay in the queue; None when it may.

        One that is back in it (not `is_new`) has its place, however many there are.
        """
        if self.is_closed:
            return Refusal.CLOSED
        if self.circuit.is_open and not self.circuit.admits(now):
            return Refusal.UNAVAILABLE
        if not is_new or (self.codel is None and self.terms.max_waiting is None):
            return None
        return self._refusal_of_new(waiter)

    def _refusal_of_new(self, waiter: Waiter) -> Refusal | None:
        codel, most = self.codel, self.terms.max_waiting
        if codel is not None and codel.is_overloaded and self.queue.ahead_of(waiter) >= codel.room:
            codel.sent_away()
            return Refusal.SHED
        if most is None or len(self.queue) <= most:
            return None
        last = self.queue.last_behind(waiter)
        if last is None:
            return Refusal.QUEUE_FULL
        self._send_away(last, Refusal.QUEUE_FULL)
        return None

    def _expect(self, codel: Codel, now: float) -> None:
        """Note that somebody is about to queue up, before anybody is served for that."""
        if codel.is_overloaded:  # or was, and nobody has looked since
            self._look_at_load(codel, now)
        codel.joined(now, is_alone=not self.queue)

    def _look_at_load(self, codel: Codel, now: float) -> None:
        """Send away who has waited too long while too many come."""
        codel.look(now, self.queue.waits_since(now))
        for lane in self.queue.lanes if codel.is_overloaded else ():
            while (waiter := self.queue.first_of(lane)) is not None:
                if waiter.gift is not None or not codel.is_too_late(waiter.since, now):
                    break
                codel.sent_away()
                self._send_away(waiter, Refusal.SHED)
        self.watch_turns()

    def pause(self) -> None:
        """Give nothing to anybody from now on."""
        self.lends_by_turn = True  # first: who sees the pause relies on it
        self.is_paused = True
        # A queue that stands because of us is no overload: nobody is sent away for it.
        self.codel = self.terms.codel()

    def resume(self, now: float) -> None:
        """Give what is free again."""
        self.is_paused = False
        if self.codel is not None:
            self.codel.forget(now)
        self.watch_turns()
        self.serve(now)

    def watch_turns(self) -> None:
        """Note whether what is idle may be lent to whoever asks next."""
        is_overloaded = self.codel is not None and self.codel.is_overloaded
        self.lends_by_turn = self.is_paused or self.terms.keeps_some or is_overloaded

    def _send_away(self, waiter: Waiter, refusal: Refusal) -> None:
        waiter.refusal = refusal
        self.queue.dismiss(waiter)
