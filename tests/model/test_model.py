"""A real pool and a plain model of one, taken the same random steps, must agree after each.

Waiters are real threads on the pool's real locks; only the clock is ours. Each step waits
until everybody who has something to do has done it, so a run is repeatable. The long form
(`REDIS_POOL_EXT_LONG=1`) takes at least 100,000 steps, from seeds that it prints.
"""

from __future__ import annotations

import ctypes
import logging
import os
import random
import sys
import threading
import weakref
from collections import Counter
from typing import Any

import hypothesis.strategies as st
import pytest
import redis
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from redis_pool_ext import LeaseError, RedisPool, RedisPoolError
from redis_pool_ext.deadline import Deadline
from redis_pool_ext.priority import Priority

from ..support.forks import in_child
from ..support.threads import wait_until
from .model import Idle, Model
from .scheduler import Strike
from .watch import ENDS, CountedConnection, ended

LONG = bool(os.environ.get("REDIS_POOL_EXT_LONG"))

# Seconds between two looks of a waiter at the clock; short, so that no step waits for long.
GLANCE = 0.001
SOON = 5.0  # seconds, for what must happen on a busy machine
TOO_LONG = 10_000.0  # seconds of patience that no run outlasts

ENDS_BY_ERROR = {
    "ConnectionPoolTimeoutError": "timed_out",
    "PoolQueueFullError": "queue_full",
    "PoolClosedError": "closed",
    "PoolUnavailableError": "unavailable",
    "Strike": "cancelled",
}

# Which one of a list: not drawn from the list itself, which Hypothesis would keep alive.
PLACES = st.integers(0, 11)

PRIORITIES = st.sampled_from((Priority.NORMAL, Priority.NORMAL, Priority.HIGH, Priority.LOW))

PATIENCE = st.sampled_from((0.0, 5.0, 15.0, TOO_LONG, TOO_LONG))

# Of 0 to 4, the one that means that something rare does happen. Not 0, which Hypothesis
# likes to try.
SELDOM = 2

seen: Counter[str] = Counter()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Borrower(threading.Thread):
    """A thread in the queue; at its end it has a connection, or the name of what it was told."""

    def __init__(self, pool: RedisPool, patience: float, priority: Priority) -> None:
        super().__init__(daemon=True)
        self._pool, self._patience, self._priority = pool, patience, priority
        self.connection: Any = None
        self.end = ""
        self.start()

    def run(self) -> None:
        self.connection, self.end = attempt(self._pool, self._patience, self._priority)


def attempt(
    pool: RedisPool, patience: float, priority: Priority = Priority.NORMAL
) -> tuple[Any, str]:
    try:
        return pool.get_connection(deadline=Deadline(patience), priority=priority), "acquired"
    except (RedisPoolError, Strike) as error:
        return None, ENDS_BY_ERROR[type(error).__name__]


class PoolMachine(RuleBasedStateMachine):
    """The pool, the model, and those who wait in the pool's queue."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.clock = Clock()
        for name in [name for name in sys.modules if name.startswith("redis_pool_ext.")]:
            self.patch.setattr(sys.modules[name], "monotonic", self.clock, raising=False)
        self.patch.setattr("redis_pool_ext.pooling.waiting.GLANCE", GLANCE)
        self.patch.setattr(logging.getLogger("redis_pool_ext"), "disabled", True)
        self.sockets: weakref.WeakSet[Any] = weakref.WeakSet()
        self.script: list[Any] = []
        self.started = self.failures = self.twice = 0
        self.has_forked = False

    @initialize(
        size=st.integers(1, 4),
        connecting=st.integers(1, 3),
        waiting=st.sampled_from((None, None, None, 1)),
        idle=st.integers(1, 4),
        lifetime=st.sampled_from((None, 30.0)),
        reserved=st.sampled_from((None, None, {"high": 1}, {"high": 1, "normal": 1})),
    )
    def open(self, size, connecting, waiting, idle, lifetime, reserved) -> None:
        if sum((reserved or {}).values()) >= size:
            reserved = None
        self.pool = RedisPool(
            CountedConnection,
            size,
            open_sockets=self.sockets,
            script=self.script,
            max_connecting=connecting,
            max_waiting=waiting,
            reserved=reserved,
            max_idle=idle,
            idle_timeout=20.0,
            max_lifetime=lifetime,
            housekeeping_interval=None,
        )
        self.model = Model(size, waiting, idle, 20.0, self.pool.terms.kept_from)
        self.most = size

    def teardown(self) -> None:
        if hasattr(self, "pool"):
            self.pool.close()
            for borrower, *_ in self.model.queue:
                borrower.join(SOON)
        self.patch.undo()

    # -- borrowing --------------------------------------------------------------------------

    @rule(times=st.integers(1, 3), patience=PATIENCE, priority=PRIORITIES)
    def borrow(self, times, patience, priority) -> None:
        for _ in range(times):
            self._borrow(patience, priority)

    @rule(
        times=st.integers(0, 3),
        patience=PATIENCE,
        priority=PRIORITIES,
        returns=st.integers(0, 3),
        at=PLACES,
    )
    def borrow_and_give_back(self, times, patience, priority, returns, at) -> None:
        self.borrow(times, patience, priority)
        self.give_back(at, returns)

    @precondition(lambda self: self.failures < 2 and not self.model.queue)
    @rule()
    def borrow_while_dials_fail(self) -> None:
        model = self.model
        if model.refusal(Priority.NORMAL) is not None:
            return
        self.script.append(redis.ConnectionError("refused"))
        picked = model.pick(self.clock.now)
        connection = self._attempt("unavailable" if picked is None else "acquired")
        assert connection is picked
        self.script.clear()
        self.failures += picked is None
        if picked is not None:
            model.lent(picked)

    def _borrow(self, patience: float, priority: Priority) -> None:
        expected = self.model.refusal(priority) or "acquired"
        if expected == "timed_out" and patience:
            self._queue_up(patience, priority)
        else:
            self._borrow_now(expected, priority)

    def _queue_up(self, patience: float, priority: Priority) -> None:
        model = self.model
        self.started += 1
        sent_away = model.to_make_room(priority)
        borrower = Borrower(self.pool, patience, priority)
        if sent_away is not None:
            seen["sent away for another"] += 1
            self._leaves(sent_away, "queue_full")
        model.queue_up(borrower, self.clock.now + patience, priority)
        wait_until(lambda: self._is_queued(borrower))

    def _is_queued(self, borrower: Borrower) -> bool:
        return len(self.pool._ledger.queue) == len(self.model.queue)

    def _borrow_now(self, expected: str, priority: Priority = Priority.NORMAL) -> None:
        sent_away = self.model.to_make_room(priority) if expected == "timed_out" else None
        picked = self.model.pick(self.clock.now) if expected == "acquired" else None
        before = list(self.sockets)
        connection = self._attempt(expected, priority)
        if sent_away is not None:
            self._leaves(sent_away, "queue_full")
        if connection is not None:
            assert connection is picked if picked is not None else connection not in before
            self.failures = 0 if picked is None else self.failures
            self.model.lent(connection)

    def _attempt(self, expected: str, priority: Priority = Priority.NORMAL) -> Any:
        self.started += 1
        connection, end = attempt(self.pool, 0.0, priority)
        assert end == expected
        if connection is None:
            self.model.ends[end] += 1
        return connection

    # -- giving back ------------------------------------------------------------------------

    @precondition(lambda self: self.model.out)
    @rule(at=PLACES, times=st.integers(1, 3))
    def give_back(self, at, times) -> None:
        for _ in range(min(times, len(self.model.out))):
            self._give_back(at, None)

    @precondition(lambda self: self.model.out)
    @rule(at=PLACES, how=st.sampled_from(("dirty", "closed")))
    def give_back_spoilt(self, at, how) -> None:
        self._give_back(at, how)

    def _give_back(self, at: int, dirt: str | None) -> None:
        connection = self.model.out[at % len(self.model.out)]
        if dirt == "dirty":
            connection.pending = 1
        elif dirt == "closed":
            connection.disconnect()
        expires = connection.slot.expires_at
        self.pool.release(connection)
        self.model.take_back(connection, self.clock.now, expires, dirt)
        self._serve()

    @precondition(lambda self: self.model.idle)
    @rule(at=PLACES)
    def give_back_what_is_not_out(self, at) -> None:
        self._give_back_a_foreign_one()
        with pytest.raises(LeaseError):
            self.pool.release(self.model.idle[at % len(self.model.idle)].connection)
        self.twice += 1

    def _give_back_a_foreign_one(self) -> None:
        other = RedisPool(CountedConnection, 1, open_sockets=weakref.WeakSet())
        connection = other.get_connection()
        with pytest.raises(LeaseError):
            self.pool.release(connection)
        other.release(connection)

    @precondition(lambda self: self.model.out)
    @rule(at=PLACES)
    def forget_to_give_back(self, at) -> None:
        connection = self.model.out.pop(at % len(self.model.out))
        self.model.old = [each for each in self.model.old if each is not connection]
        del connection
        self.pool.stats()
        self.model.discarded["lost"] += 1
        self._serve()

    # -- what happens to it -------------------------------------------------------------------

    @precondition(lambda self: self.model.idle)
    @rule(at=PLACES)
    def idle_one_dies(self, at) -> None:
        idle = self.model.idle[at % len(self.model.idle)]
        idle.is_dead = idle.connection.is_dead = True

    @rule(seconds=st.sampled_from((0.5, 6.0, 25.0)))
    def time_passes(self, seconds) -> None:
        self.clock.now += seconds
        for borrower in self.model.expired(self.clock.now):
            self._leaves(borrower, "timed_out")

    @precondition(lambda self: self.model.queue)
    @rule(at=PLACES)
    def waiter_is_struck(self, at) -> None:
        borrower, *_ = self.model.queue[at % len(self.model.queue)]
        thread = ctypes.c_ulong(borrower.ident)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(Strike))
        self._leaves(borrower, "cancelled")

    def _leaves(self, borrower: Borrower, end: str) -> None:
        borrower.join(SOON)
        assert (borrower.connection, borrower.end) == (None, end)
        self.model.remove(borrower, end)

    # -- what its owner does ------------------------------------------------------------------

    @rule(at=PLACES, number=st.integers(0, 4))
    def owner_acts(self, at, number) -> None:
        """One rule for all of it, or there would be little else."""
        self.OWNER_ACTS[at](self, number)

    @rule(size=st.integers(1, 4))
    def resize(self, size) -> None:
        self.pool.resize(size)
        self.model.max_connections = size
        self._serve()
        self.model.shrink()

    def _drain(self, _number: int) -> None:
        self.pool.drain()
        self.model.drain("drained")
        self._serve()

    def _pause(self, _number: int) -> None:
        self.pool.pause()
        self.model.is_paused = True

    @precondition(lambda self: self.model.is_paused)
    @rule()
    def resume(self) -> None:
        self.pool.resume()
        self.model.is_paused = False
        self._serve()

    def _warm_up(self, count: int) -> None:
        model = self.model
        wanted = min(count, model.max_idle, model.max_connections)
        if not model.is_closed:
            self.pool.warm_up(wanted)
            self._fill(wanted)

    def _fill(self, wanted: int) -> None:
        model = self.model
        known = [each.connection for each in model.idle]
        fresh = [each for each in self.pool._ledger.idle if each not in known]
        most = min(wanted - len(model.idle), model.max_connections - model.size)
        assert len(fresh) == (0 if model.is_paused or model.queue else max(0, most))
        self.failures = 0 if fresh else self.failures
        for connection in fresh:
            expires = connection.slot.expires_at
            model.idle.append(Idle(connection, self.clock.now, expires))

    def _keep_house(self, _number: int) -> None:
        self.pool.keep_house()
        self.model.age(self.clock.now, 0)
        self._serve()

    def _close(self, number: int) -> None:
        if number != SELDOM:  # there is not much to do after it
            return
        self.pool.close()
        self.model.is_closed = True
        self.model.drain("pool_closed")
        for borrower, *_ in list(self.model.queue):
            self._leaves(borrower, "closed")

    def _fork(self, _number: int) -> None:
        if not self.has_forked:  # it is slow
            self.has_forked = True
            in_child(self._look_in_child)

    OWNER_ACTS = (
        _drain, _drain, _pause, _pause, _pause, _warm_up, _warm_up, _keep_house, _keep_house,
        _close, _close, _fork,
    )  # fmt: skip

    def _look_in_child(self) -> None:
        stats = self.pool.stats()
        assert (stats.in_use, stats.idle, stats.connecting, stats.waiting) == (0, 0, 0, 0)
        inherited = [*self.model.out, *(each.connection for each in self.model.idle)]
        assert all(connection.slot is None for connection in inherited)
        connection, end = attempt(self.pool, 0.0)
        paused_or_not = "timed_out" if self.model.is_paused else "acquired"
        assert end == ("closed" if self.model.is_closed else paused_or_not)
        assert connection not in inherited

    # -- what must hold -----------------------------------------------------------------------

    def _serve(self) -> None:
        """Wait for those who must have been served; others must wait still."""
        model = self.model
        served = model.queue[: model.served()]
        reused = [p for p in (model.pick(self.clock.now) for _ in served) if p is not None]
        seen["served in the queue"] += len(served)
        for borrower, *_ in served:
            borrower.join(SOON)
            assert borrower.end == "acquired", "who came first is not served first"
            assert borrower.connection not in model.out, "one connection lent to two"
            model.lent(borrower.connection)
        lent = [borrower.connection for borrower, *_ in served]
        assert {id(each) for each in reused} <= {id(each) for each in lent}
        self.failures = 0 if len(lent) > len(reused) else self.failures
        model.queue = model.queue[len(served) :]

    @invariant()
    def model_and_pool_agree(self) -> None:
        if not hasattr(self, "pool"):
            return
        seen["steps"] += 1
        self.clock.now += 0.001
        model, stats = self.model, self.pool.stats()
        assert (stats.in_use, stats.connecting) == (len(model.out), 0)
        assert [each.connection for each in model.idle] == self.pool._ledger.idle
        assert stats.waiting == len(model.queue)
        assert all(borrower.is_alive() for borrower, *_ in model.queue)
        assert {end: getattr(stats, end) for end in ENDS} == {end: model.ends[end] for end in ENDS}
        assert stats.discarded == +model.discarded
        assert stats.double_releases == self.twice

    @invariant()
    def promises_hold(self) -> None:
        if not hasattr(self, "pool"):
            return
        stats = self.pool.stats()
        size = stats.in_use + stats.idle + stats.connecting
        self.most = max(stats.max_connections, min(self.most, size))
        assert size <= self.most, "over max"
        assert len(self.sockets) <= self.most, "more sockets than connections"
        assert ended(stats) + stats.waiting == self.started, "the counters do not balance"
        assert stats.created == size + sum(stats.discarded.values()), "lost, and not counted"
        first = min(self.model.queue, key=lambda each: each[2], default=None)
        if first is not None and not stats.is_paused and not self.model.kept_from[first[2]]:
            assert not stats.idle, "somebody waits, and a connection is idle"
            assert size >= stats.max_connections, "somebody waits, and a slot is free"


def profile(examples: int, *, derandomize: bool) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=50,
        derandomize=derandomize,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # A wait in vain takes seconds: there is time to make a failure short in the long form.
        phases=(Phase.generate, Phase.shrink) if LONG else (Phase.generate,),
    )


# Python 3.12 and later warn of forks in programs with threads; that is what we test.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.skipif(LONG, reason="the long form takes its place")
def test_pool_and_model_agree():
    """The same steps each time, a few thousand of them."""
    seen.clear()
    run_state_machine_as_test(PoolMachine, settings=profile(130, derandomize=True))

    assert seen["steps"] > 2000
    assert seen["served in the queue"] > 20  # how many, differs from place to place


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.skipif(not LONG, reason="takes minutes: set REDIS_POOL_EXT_LONG=1")
@pytest.mark.timeout(3600)
def test_pool_and_model_agree_for_long():
    """Other steps each time, a hundred thousand of them."""
    seen.clear()
    while seen["steps"] < 100_000:
        number = random.SystemRandom().randrange(2**32)
        print(f"seed {number}: {seen['steps']} steps so far")
        run_state_machine_as_test(
            seed(number)(PoolMachine), settings=profile(500, derandomize=False)
        )
    print(f"{seen['steps']} steps")
