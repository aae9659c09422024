"""What must hold whenever nobody is inside the pool, seen from outside of it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from types import SimpleNamespace
from typing import Any

import redis

from redis_pool_ext import PoolStats, RedisPool
from redis_pool_ext.books.ledger import Ledger
from redis_pool_ext.books.records import SlotState, Waiter
from redis_pool_ext.priority import Priority
from redis_pool_ext.stats import REFUSALS

from ..support.stub import StubConnection

ENDS = ("acquired", *REFUSALS)


class ServerFull(redis.ConnectionError):
    """What a server says that has as many clients as it takes."""


class CountedConnection(StubConnection):
    """A stub that enters itself in `open_sockets`, and whose dial takes as long as `dial` does."""

    def __init__(
        self,
        *,
        open_sockets: weakref.WeakSet[Any],
        dial: Callable[[], None] = lambda: None,
        **kwargs: Any,
    ) -> None:
        self.open_sockets, self.dial = open_sockets, dial
        self.is_dead = False
        super().__init__(**kwargs)

    def connect(self) -> None:
        self.open_sockets.add(self)
        try:
            self.dial()
            super().connect()
        except BaseException as error:
            self.open_sockets.discard(self)
            # A refusal in the server's own words: it said something during the handshake.
            heard = isinstance(error, ServerFull)
            self._handshake = SimpleNamespace(heard=heard, ever_heard=heard)
            raise
        self.is_dead = False

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        self.open_sockets.discard(self)
        super().disconnect(*args, **kwargs)

    def can_read(self, timeout: float = 0) -> bool:
        return self.is_dead  # the end of the stream, which is there to be read


def ended(stats: PoolStats) -> int:
    """Return how many requests for a connection are over."""
    return sum(getattr(stats, end) for end in ENDS)


class Watch:
    """Looks at a pool each time that its lock is let go, and remembers what was there before.

    One that was given something, and comes back because it was no good, is before all who had
    nothing yet. After the pool shrank, those that were there may stay, and are followed down.

    An idle connection is taken and put back without the lock. So who took it is asked when it
    has it (`served`), and what is idle is judged when nobody is on the way back (`returning`).
    """

    def __init__(self, pool: RedisPool, open_sockets: weakref.WeakSet[Any]) -> None:
        self._pool, self._open_sockets = pool, open_sockets
        # Who waits: their priority and ticket, and their thread.
        self._line: dict[Waiter, tuple[tuple[Priority, int], int]] = {}
        self._had_their_turn: set[int] = set()  # threads
        self._dialled: set[int] = set()  # slots
        self._most = pool.max_connections
        self._was_paused = False
        self._pauses = 0  # that are over
        self._on_the_way_back = 0
        # The tickets in the queue as a thread came, and which pause it came in, if any.
        self._priorities: dict[int, Priority] = {}  # what a thread asks with
        self._found: dict[int, tuple[set[int | None], int | None]] = {}
        self._given: set[int | None] = set()  # tickets of who had something, good or not
        self.server_is_full = False  # then the pool does not dial, though somebody waits
        # For how long one may be idle though somebody waits, and since when one is.
        self.may_idle_for = 0.0
        self._idle_since: float | None = None

    def begin(self, priority: Priority = Priority.NORMAL) -> None:
        """Note that this thread asks for a connection anew."""
        self._had_their_turn.discard(get_ident())
        self._priorities[get_ident()] = priority
        ledger = self._pool._ledger
        pause = self._pauses if ledger.is_paused else None
        ahead = {each.ticket for each in ledger.queue if each.priority <= priority}
        self._found[get_ident()] = ahead, pause

    def took(self) -> None:
        """Note that this thread has been given something, good or not."""
        self._had_their_turn.add(get_ident())

    def served(self, now: float) -> None:
        """Raise AssertionError if this thread has a connection that others should have."""
        found, pause = self._found.pop(get_ident())
        before = found - self._given
        # Who has been seen there: one that is joining may be back, and first by right.
        overtaken = [waiter for waiter in self._line if waiter.ticket in before]
        is_late = any(self._is_live(waiter, now) for waiter in overtaken)
        assert not is_late, "overtaken by one who did not queue"
        # One who was woken does not wait for the waker to let go of the lock: a pause that is
        # over by now may not have been counted yet.
        is_the_same = pause == self._pauses and self._pool._ledger.is_paused
        assert pause is None or not is_the_same, "lent while paused"

    @contextmanager
    def returning(self) -> Iterator[None]:
        """While this thread gives a connection back."""
        self._on_the_way_back += 1
        try:
            yield
        finally:
            self._on_the_way_back -= 1

    def had_its_turn(self) -> bool:
        """Tell whether this thread was given something already, good or not."""
        return get_ident() in self._had_their_turn

    def look(self, now: float, asked_at: float) -> None:
        """Raise AssertionError for what must not be; its thread had asked for the lock then."""
        stats = Ledger.stats(self._pool._ledger)
        self._look_at_sizes(stats)
        self._look_at_idle(stats)
        self._look_at_queue()
        self._look_at_gifts(stats, now, asked_at)
        self._look_for_idleness(stats, now)
        assert stats.connecting <= self._pool.max_connecting, f"a storm: {stats.summary()}"

    def look_at_rest(self, now: float) -> None:
        """Raise AssertionError for what must not be while everybody sleeps."""
        self._look_for_idleness(Ledger.stats(self._pool._ledger), now)

    def _look_at_sizes(self, stats: PoolStats) -> None:
        size = stats.in_use + stats.idle + stats.connecting
        self._most = max(stats.max_connections, min(self._most, size))
        assert min(stats.in_use, stats.idle, stats.connecting) >= 0, f"a count below 0: {stats}"
        assert size <= self._most, f"over max: {stats.summary()}"
        assert len(self._open_sockets) <= self._most, "more sockets than connections"

    def _look_at_idle(self, stats: PoolStats) -> None:
        if self._on_the_way_back:
            return
        idle = self._pool._ledger.idle
        assert all(each.generation == stats.generation for each in idle), "an old one is kept"
        assert not (idle and stats.is_closed), "a closed pool keeps one"

    def _look_at_queue(self) -> None:
        queue = self._pool._ledger.queue
        for waiter in queue:
            if waiter not in self._line:
                assert waiter.ticket, "a place in the queue without a number"
                self._line[waiter] = (waiter.priority, waiter.ticket), get_ident()
                if self.had_its_turn():  # and is back
                    self._given.add(waiter.ticket)
        in_order = sorted(queue, key=self._line.__getitem__)
        assert list(queue.in_order()) == in_order, "overtaken: the queue is not in its order"

    def _look_at_gifts(self, stats: PoolStats, now: float, asked_at: float) -> None:
        ledger = self._pool._ledger
        slots = Ledger.slots(ledger)
        dialled = {slot.key for slot in slots if slot.state is SlotState.CONNECTING}
        fresh = dialled - self._dialled
        given = [waiter for waiter in self._line if waiter.gift is not None]
        for waiter in given:
            self._given.add(waiter.ticket)
            assert waiter.at >= asked_at, "a gift to one who had expired"
            assert waiter.wake.has_rung, "a gift to one who was not woken"
            waiter.wake.has_rung = False
            slot = getattr(waiter.gift, "slot", waiter.gift)
            if slot is not None:  # who was woken asks for no lock, and may have closed it by now
                fresh.discard(slot.key)
        live = [waiter for waiter in self._line if self._is_live(waiter, now)]
        if live and not stats.is_paused:
            first = min(self._line[waiter] for waiter in live)
            assert all(self._line[w] < first for w in given), "overtaken in the queue"
            mine = self._priorities.get(get_ident(), Priority.NORMAL)
            is_ahead = any(each.priority <= mine for each in live)
            is_in_order = self.had_its_turn() or not (fresh and is_ahead)
            assert is_in_order, "overtaken by one who did not queue"
        assert not (given and stats.is_paused and self._was_paused), "lent while paused"
        self._pauses += self._was_paused and not stats.is_paused
        self._had_their_turn.update(self._line[waiter][1] for waiter in given)
        gone = [waiter for waiter in self._line if waiter not in ledger.queue]
        for waiter in {*gone, *given}:
            del self._line[waiter]
        self._dialled, self._was_paused = dialled, stats.is_paused

    def _look_for_idleness(self, stats: PoolStats, now: float) -> None:
        # Of whom nothing is kept.
        kept_from = self._pool.terms.kept_from
        everybodys = [each for each in self._line if not kept_from[each.priority]]
        live = [waiter for waiter in everybodys if self._is_live(waiter, now)]
        if not live or stats.is_paused or self._on_the_way_back:
            self._idle_since = None
            return
        assert not stats.is_closed, "somebody waits for a closed pool"
        self._idle_since = None if not stats.idle else self._idle_since or now
        is_late = stats.idle and now - (self._idle_since or now) >= self.may_idle_for
        assert not is_late, f"somebody waits, and connections are idle: {stats.summary()}"
        size = stats.in_use + stats.idle + stats.connecting
        is_full = size >= stats.max_connections or self.server_is_full
        is_busy = stats.connecting >= self._pool.max_connecting or stats.circuit != "closed"
        assert is_full or is_busy, f"nobody dials: {stats.summary()}"

    def _is_live(self, waiter: Waiter, now: float) -> bool:
        return (
            waiter in self._pool._ledger.queue
            and waiter.gift is None
            and waiter.refusal is None
            and waiter.at > now
        )
