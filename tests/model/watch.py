"""What must hold whenever nobody is inside the pool, seen from outside of it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from itertools import count
from threading import get_ident
from types import SimpleNamespace
from typing import Any

import redis

from redis_pool_ext import PoolStats, RedisPool
from redis_pool_ext.ledger import Ledger, SlotState, Waiter

from ..support.stub import StubConnection

ENDS = ("acquired", "timed_out", "queue_full", "unavailable", "closed", "failed", "cancelled")
_TAKEN = (SlotState.CONNECTING, SlotState.HELD)


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
            self._handshake = SimpleNamespace(heard=isinstance(error, ServerFull))
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


# Whether a waiter waits for its first turn, and its number among its like.
Place = tuple[bool, int, int]


class Watch:
    """Looks at a pool each time that its lock is let go, and remembers what was there before.

    One that was given something, and comes back because it was no good, is before all who had
    nothing yet. After the pool shrank, those that were there may stay, and are followed down.
    """

    def __init__(self, pool: RedisPool, open_sockets: weakref.WeakSet[Any]) -> None:
        self._pool, self._open_sockets = pool, open_sockets
        self._count = count()
        self._line: dict[Waiter, tuple[Place, int]] = {}  # who waits: their place and thread
        self._had_their_turn: set[int] = set()  # threads
        self._taken: set[int] = set()  # slots that are lent or dialled in
        self._most = pool.max_connections
        self._was_paused = False
        self.server_is_full = False  # then the pool does not dial, though somebody waits

    def begin(self) -> None:
        """Note that this thread asks for a connection anew."""
        self._had_their_turn.discard(get_ident())

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

    def _look_at_sizes(self, stats: PoolStats) -> None:
        size = stats.in_use + stats.idle + stats.connecting
        self._most = max(stats.max_connections, min(self._most, size))
        assert min(stats.in_use, stats.idle, stats.connecting) >= 0, f"a count below 0: {stats}"
        assert size <= self._most, f"over max: {stats.summary()}"
        assert len(self._open_sockets) <= self._most, "more sockets than connections"

    def _look_at_idle(self, stats: PoolStats) -> None:
        idle = self._pool._ledger.idle
        assert all(each.generation == stats.generation for each in idle), "an old one is kept"
        assert not (idle and stats.is_closed), "a closed pool keeps one"

    def _look_at_queue(self) -> None:
        queue = self._pool._ledger.queue
        for waiter in queue:
            if waiter not in self._line:
                comes_back = self.had_its_turn()
                number = (waiter.ticket or 0) if comes_back else 0
                self._line[waiter] = (not comes_back, number, next(self._count)), get_ident()
        in_order = sorted(queue, key=self._line.__getitem__)
        assert list(queue) == in_order, "overtaken: the queue is not in order of arrival"

    def _look_at_gifts(self, stats: PoolStats, now: float, asked_at: float) -> None:
        ledger = self._pool._ledger
        taken = {slot.key for slot in Ledger.slots(ledger) if slot.state in _TAKEN}
        fresh = taken - self._taken
        given = [waiter for waiter in self._line if waiter.gift is not None]
        for waiter in given:
            assert waiter.deadline >= asked_at, "a gift to one who had expired"
            assert waiter.wake.has_rung, "a gift to one who was not woken"
            waiter.wake.has_rung = False
            fresh.discard(getattr(waiter.gift, "slot", waiter.gift).key)
        live = [waiter for waiter in self._line if self._is_live(waiter, now)]
        if live and not stats.is_paused:
            first = min(self._line[waiter] for waiter in live)
            assert all(self._line[w] < first for w in given), "overtaken in the queue"
            assert not fresh or self.had_its_turn(), "overtaken by one who did not queue"
        is_lent = bool(given or fresh)
        assert not (is_lent and stats.is_paused and self._was_paused), "lent while paused"
        self._had_their_turn.update(self._line[waiter][1] for waiter in given)
        if fresh:
            self._had_their_turn.add(get_ident())
        gone = [waiter for waiter in self._line if waiter not in ledger.queue]
        for waiter in {*gone, *given}:
            del self._line[waiter]
        self._taken, self._was_paused = taken, stats.is_paused

    def _look_for_idleness(self, stats: PoolStats, now: float) -> None:
        live = [waiter for waiter in self._line if self._is_live(waiter, now)]
        if not live or stats.is_paused:
            return
        assert not stats.is_closed, "somebody waits for a closed pool"
        assert not stats.idle, f"somebody waits, and connections are idle: {stats.summary()}"
        size = stats.in_use + stats.connecting
        is_full = size >= stats.max_connections or self.server_is_full
        is_busy = stats.connecting >= self._pool.max_connecting or stats.circuit != "closed"
        assert is_full or is_busy, f"nobody dials: {stats.summary()}"

    def _is_live(self, waiter: Waiter, now: float) -> bool:
        return (
            waiter in self._pool._ledger.queue
            and waiter.gift is None
            and waiter.refusal is None
            and waiter.deadline > now
        )
