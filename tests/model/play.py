"""A pool whose threads the scheduler runs, and who borrow from it."""

from __future__ import annotations

import random
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis

from redis_pool_ext import LeaseError, PoolQueueFullError, PoolStats, RedisPool
from redis_pool_ext.books.ledger import Ledger
from redis_pool_ext.books.records import Waiter
from redis_pool_ext.deadline import Deadline
from redis_pool_ext.priority import Priority

from .scheduler import Scheduler, Strike, TurnRLock
from .watch import CountedConnection, Watch, ended


class Play:
    """A pool on a scheduler, and a `Watch` that looks each time that its lock is let go."""

    def __init__(self, scheduler: Scheduler, dice: random.Random, **settings: Any) -> None:
        self.scheduler, self.dice = scheduler, dice
        self.sockets: weakref.WeakSet[Any] = weakref.WeakSet()
        self.script: list[Any] = []  # see StubConnection
        self.dial_times = [0.0, 0.001, 0.02]
        self.pool = RedisPool(
            CountedConnection,
            open_sockets=self.sockets,
            dial=lambda: scheduler.sleep(dice.choice(self.dial_times)),
            script=self.script,
            housekeeping_interval=None,
            **settings,
        )
        self.watch = Watch(self.pool, self.sockets)
        lock = TurnRLock(scheduler, lambda: self.watch.look(scheduler.now, lock.asked_at))
        self.pool._lock = lock  # type: ignore[assignment]
        self._switch_at_steps()
        self._watch_who_walks_away()
        self._watch_who_is_served()
        scheduler.at_rest = lambda: self.watch.look_at_rest(scheduler.now)
        self.tasks: list[Callable[[], object]] = []
        self.started = self.dropped = 0
        self.ends: Counter[str] = Counter()
        self.priorities = [Priority.NORMAL]
        self.is_closed = False
        self.is_exact = True  # the counters: not if a strike can hit a return
        self.out: list[Any] = []

    def switch_in_ledger(self) -> None:
        """Make each call of the ledger a switch point, too."""
        self.pool._ledger.__class__ = _switching(self.scheduler, Ledger)

    def _switch_at_steps(self) -> None:
        """Make each step that the pool takes without its lock a switch point."""
        ledger = self.pool._ledger
        ledger.idle = _switching(self.scheduler, list, "append", "pop", "remove")(ledger.idle)
        ledger.lent = _switching(self.scheduler, set, "remove", "discard")(ledger.lent)
        ledger.lent.__class__.add = self._switch_and_note(set.add)

    def _watch_who_walks_away(self) -> None:
        """Who is struck with a gift in hand is on the way back with it, as one who releases it."""
        walk_away = self.pool._walk_away

        def returning(waiter: Waiter) -> None:
            with self.watch.returning():
                walk_away(waiter)

        self.pool._walk_away = returning  # type: ignore[method-assign]

    def _watch_who_is_served(self) -> None:
        """Who comes back from the queue has had its turn: no look may have seen it there."""
        queue = self.pool._queue

        def served(*args: Any) -> Any:
            gift = queue(*args)
            self.watch.took()
            return gift

        self.pool._queue = served  # type: ignore[method-assign]

    def _switch_and_note(self, add: Callable[[Any, int], None]) -> Callable[[Any, int], None]:
        def call(lent: Any, key: int) -> None:
            self.scheduler.switch()
            add(lent, key)
            if not self.pool._lock._is_owned():  # else it is for one who waits
                self.watch.took()

        return call

    @contextmanager
    def instant_dials(self) -> Iterator[None]:
        """Let dials take no time, for a test that prepares the pool before the tasks run."""
        times, self.dial_times = self.dial_times, [0.0]
        yield
        self.dial_times = times

    # -- what a task does -------------------------------------------------------------------

    def borrow(self, timeout: float) -> Any:
        """Take a connection, or return None."""
        self.started += 1
        priority = self.dice.choice(self.priorities)
        self.watch.begin(priority)
        was_closed = self.is_closed
        try:
            connection = self.pool.get_connection(deadline=Deadline(timeout), priority=priority)
        except LeaseError:
            raise  # a mistake of the pool's: nothing here is lent twice, or too late
        except PoolQueueFullError:
            self.ends["queue full"] += 1
            if self.watch.had_its_turn() and self.pool._ledger.codel is None:
                raise
            return None
        except (redis.RedisError, Strike) as error:
            self.ends[type(error).__name__] += 1
            return None
        self.ends["served"] += 1
        self.watch.served(self.scheduler.now)
        assert not was_closed, "a connection of a closed pool was lent"
        assert connection not in self.out, "one connection lent to two"
        assert connection in self.sockets, "a closed connection was lent"
        self.out.append(connection)
        return connection

    def give_back(self, connection: Any) -> None:
        self.out.remove(connection)
        with self.watch.returning():
            self.pool.release(connection)

    def use(self, timeout: float, seconds: float, spoil: Callable[[Any], None] = id) -> None:
        """Borrow, do something for a while, and give back."""
        connection = self.borrow(timeout)
        if connection is None:
            return
        with suppress(Strike):
            try:
                self.scheduler.sleep(seconds)
                spoil(connection)
            finally:
                self.give_back(connection)

    def drop(self, timeout: float) -> None:
        """Borrow, and forget to give back."""
        connection = self.borrow(timeout)
        if connection is not None:
            self.out.remove(connection)
            self.dropped += 1

    def close(self, timeout: float = 0.0) -> None:
        self.pool.close(timeout)
        self.is_closed = True

    # -- when all are done ------------------------------------------------------------------

    def look_at_end(self) -> None:
        """Nothing is lost, nothing is counted twice, and all places can be taken again."""
        stats = self.pool.stats()
        assert (stats.in_use, stats.connecting, stats.waiting) == (0, 0, 0), str(stats)
        assert stats.idle == len(self.sockets), str(stats)
        assert stats.double_releases == 0, str(stats)
        if self.is_exact:
            self._look_at_counters(stats)
        if not self.is_closed:
            self._take_all()

    def _look_at_counters(self, stats: PoolStats) -> None:
        assert ended(stats) == self.started, str(stats)
        assert stats.acquired == self.ends["served"], str(stats)
        assert stats.waits.total == self.started, str(stats)
        assert stats.released == stats.acquired - self.dropped, str(stats)
        assert stats.discarded.get("lost", 0) == self.dropped, str(stats)

    def _take_all(self) -> None:
        self.script.clear()
        self.scheduler.now += 60  # whatever kept the pool from dialling is over
        with self.instant_dials():
            taken = [
                self.pool.get_connection(priority=Priority.HIGH)
                for _ in range(self.pool.max_connections)
            ]
        assert len(set(taken)) == self.pool.max_connections


def _switching(scheduler: Scheduler, base: type[Any], *names: str) -> type[Any]:
    """Return a class whose methods (those that change something) are switch points."""

    def switching(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            scheduler.switch()
            return method(*args, **kwargs)

        return call

    members = {}
    for each in reversed(base.__mro__[:-1]):
        members |= vars(each)
    methods = {
        name: switching(method)
        for name, method in members.items()
        if callable(method) and (name in names if names else _is_a_step(name))
    }
    return type(f"Switching{base.__name__}", (base,), methods)


def _is_a_step(name: str) -> bool:
    return not name.startswith("__") and name not in ("stats", "slots")
