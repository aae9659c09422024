"""Threads of which one runs at a time, and a schedule that says which.

A task is a real thread that waits for its turn. It gives the turn away at switch points:
around each use of a lock, when it waits, and where the scenario says so. Who is next, and
whether time passes first, is decided by `Dice` or by `ways`; the same decisions make the
same run, whatever the machine does meanwhile. The clock is the scheduler's own.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, Protocol

import pytest

import redis_pool_ext

PACKAGE = str(Path(str(redis_pool_ext.__file__)).parent)

# Seconds that pass at each switch point: enough for the clock to move on, too little for a
# deadline to pass.
TICK = 0.000001


class Abandoned(BaseException):
    """Ends the tasks of a run that has failed already."""


class Strike(BaseException):
    """What a gevent.Timeout or a worker's time limit looks like to a task."""


class Decider(Protocol):
    """Chooses what happens next."""

    def __call__(self, options: int, *, can_stay: bool, can_wait: bool) -> int:
        """Return the number of one of the options.

        With `can_stay` the first is to let the running task go on; with `can_wait` the last is
        to let time pass until the next sleeper wakes.
        """


class Dice:
    """Random decisions from a seed; how restless and how slow is random, too."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._stay = self._random.choice((0.3, 0.6, 0.8, 0.95))
        self._wait = self._random.choice((0.0, 0.02, 0.1))

    def __call__(self, options: int, *, can_stay: bool, can_wait: bool) -> int:
        if options == 1:
            return 0
        if can_wait:
            if self._random.random() < self._wait:
                return options - 1
            options -= 1
        if can_stay and self._random.random() < self._stay:
            return 0
        return self._random.randrange(options)


class Way:
    """One way through the tree of all decisions, with at most `most` that are not the first.

    The first option is to go on as long as one can, then the next in order.
    """

    def __init__(self, trail: list[list[int]], most: int) -> None:
        self.trail = trail  # [decision, number of options], from the first on
        self._at = 0
        self._left = most

    def __call__(self, options: int, *, can_stay: bool, can_wait: bool) -> int:
        if options == 1 or not self._left:
            return 0
        if self._at == len(self.trail):
            self.trail.append([0, options])
        decision, were = self.trail[self._at]
        assert were == options, "the run is not determined by its decisions"
        self._at += 1
        if decision:
            self._left -= 1
        return decision


def ways(most: int) -> Iterator[Way]:
    """Yield each way through the decisions, depth first; run the scenario once with each."""
    trail: list[list[int]] = []
    while True:
        yield Way(trail, most)
        while trail and trail[-1][0] + 1 == trail[-1][1]:
            trail.pop()
        if not trail:
            return
        trail[-1][0] += 1


class Task(threading.Thread):
    """A thread that runs when it is its turn."""

    def __init__(self, scheduler: Scheduler, function: Callable[..., Any], *args: Any) -> None:
        super().__init__(daemon=True, name=f"task {len(scheduler.tasks) + 1}")
        self._scheduler, self._function, self._args = scheduler, function, args
        self.turn = threading.Lock()
        self.turn.acquire()
        self.condition: Callable[[], bool] | None = None  # what it waits for
        self.until = inf  # when it stops waiting
        self.is_over = False
        self.is_struck = False
        self.locks = 0  # that it holds: a strike waits until they are let go
        self.value: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        self.turn.acquire()
        if self._scheduler.every_line:
            sys.settrace(self._trace)
        try:
            self.value = self._function(*self._args)
        except BaseException as error:
            self.error = error
        sys.settrace(None)
        self.is_over = True
        self._scheduler.over(self)

    @property
    def is_asleep(self) -> bool:
        """Tell whether it waits for something other than a turn in the pool."""
        return self.condition is not None and self.until < inf

    def is_ready(self, now: float) -> bool:
        is_struck = self.is_struck and not self.locks
        return self.condition is None or is_struck or self.until <= now or self.condition()

    def _trace(self, frame: FrameType, event: str, _arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            self._scheduler.switch()
        return self._trace


class Scheduler:
    """Runs tasks one at a time; `decide` says which, and when time passes.

    `every_line`: each line of the package is a switch point.
    """

    def __init__(self, decide: Decider, *, every_line: bool = False) -> None:
        self.decide = decide
        self.every_line = every_line
        self.now = 1000.0
        self.tasks: list[Task] = []
        self.failure: BaseException | None = None
        self.at_rest: Callable[[], None] = lambda: None  # looks when everybody sleeps
        self._current: Task | None = None
        self._time_passes = False
        self._quiet = threading.Lock()  # released when no task can go on
        self._quiet.acquire()

    # -- for the test ---------------------------------------------------------------------

    def spawn(self, function: Callable[..., Any], *args: Any) -> Task:
        """Add a task; it does nothing before `run` or `settle`."""
        task = Task(self, function, *args)
        self.tasks.append(task)
        task.start()
        return task

    def run(self, *functions: Callable[[], Any]) -> None:
        """Run all to their end, letting time pass; raise what the first to fail raised."""
        for function in functions:
            self.spawn(function)
        self._time_passes = True
        self._go()
        for task in self.tasks:
            task.join(10)
        failed = [task.error for task in self.tasks if task.error is not None]
        if self.failure is not None:
            raise self.failure
        assert not failed, failed

    def strike(self, task: Task) -> None:
        """Let a task find an exception where it goes on, once it holds no lock."""
        task.is_struck = True

    def settle(self) -> None:
        """Run until every task is over or waits, at this moment."""
        self._time_passes = False
        self._go()
        if self.failure is not None:
            raise self.failure

    def advance(self, seconds: float) -> None:
        """Let time pass, stopping at each moment that somebody waits for."""
        end = self.now + seconds
        while (moment := self._next_moment()) <= end:
            self.now = max(self.now, moment)
            self.settle()
        self.now = end

    # -- for the tasks --------------------------------------------------------------------

    def clock(self) -> float:
        """Stand in for `time.monotonic`."""
        return self.now

    def switch(self) -> None:
        """Maybe let another task run first."""
        self.wait(None)

    def sleep(self, seconds: float) -> None:
        self.wait(lambda: False, seconds)

    def wait(self, condition: Callable[[], bool] | None, timeout: float = inf) -> bool:
        """Give the turn away until the condition holds; False if the time was over before."""
        me = self._current
        if me is None:
            assert condition is None or condition() or not timeout, "the test would wait"
            return condition is None or condition()
        if self.failure is not None:
            raise Abandoned
        self.now += TICK
        me.condition, me.until = condition, self.now + timeout
        following = self._decide()
        if following is not me:
            self._give_turn(following)
            me.turn.acquire()
        met = condition is None or condition()
        me.condition = None
        if self.failure is not None:
            raise Abandoned
        if me.is_struck and not me.locks:
            me.is_struck = False
            raise Strike
        return met

    def count_lock(self, change: int) -> None:
        if self._current is not None:
            self._current.locks += change

    def fail(self, error: BaseException) -> None:
        """End the run, for this reason."""
        if self.failure is None:
            self.failure = error

    def over(self, task: Task) -> None:
        """Hand on the turn of a task that has ended."""
        if task.error is not None and not isinstance(task.error, Abandoned):
            self.fail(task.error)
        self._give_turn(self._decide())

    # -- decisions ------------------------------------------------------------------------

    def _go(self) -> None:
        following = self._decide()
        if following is not None:
            self._give_turn(following)
            assert self._quiet.acquire(timeout=30), "a task did not come to a switch point"
        self._current = None

    def _give_turn(self, task: Task | None) -> None:
        self._current = task
        (self._quiet if task is None else task.turn).release()

    def _decide(self) -> Task | None:
        """Return the next task, or None when none can go on."""
        while True:
            alive = [task for task in self.tasks if not task.is_over]
            if self.failure is not None:
                return alive[0] if alive else None
            ready = [task for task in alive if task.is_ready(self.now)]
            if not ready and not self._is_in_order_at_rest():
                continue
            can_stay = self._current in ready
            if can_stay:
                ready.remove(self._current)
                ready.insert(0, self._current)
            moment = self._next_moment()
            can_wait = self._time_passes and moment < inf
            options = len(ready) + can_wait
            if not options:
                if self._time_passes and alive:
                    self.fail(AssertionError("nobody can go on: a wake-up was lost"))
                    continue
                return None
            decision = self.decide(options, can_stay=can_stay, can_wait=can_wait)
            if decision < len(ready):
                return ready[decision]
            self.now = max(self.now, moment)

    def _is_in_order_at_rest(self) -> bool:
        """Tell whether all is well when everybody sleeps; fail if it is not."""
        trace = sys.gettrace()
        sys.settrace(None)  # the look is not a part of the play
        try:
            self.at_rest()
        except BaseException as error:
            self.fail(error)
        finally:
            sys.settrace(trace)
        return self.failure is None

    def _next_moment(self) -> float:
        """Return when the next sleeper stops waiting."""
        waiting = [t for t in self.tasks if not t.is_over and not t.is_ready(self.now)]
        return min((task.until for task in waiting), default=inf)


class TurnRLock:
    """The pool's lock: its uses are switch points; `look` runs each time it is let go."""

    def __init__(self, scheduler: Scheduler, look: Callable[[], None]) -> None:
        self._scheduler, self._look = scheduler, look
        self._owner: int | None = None
        self._depth = 0
        self.asked_at = 0.0  # by its owner

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner != me:
            asked_at = self._scheduler.now
            self._scheduler.switch()
            self._scheduler.wait(lambda: self._owner is None)
            self._owner, self.asked_at = me, asked_at
            self._scheduler.count_lock(1)
        self._depth += 1

    def __exit__(self, *_exc: object) -> None:
        if self._depth > 1:
            self._depth -= 1
            return
        if self._scheduler.failure is None:
            try:
                self._look()  # what it says of the pool may ask for the lock, which is still ours
            except BaseException as error:
                self._scheduler.fail(error)
        self._depth, self._owner = 0, None
        self._scheduler.count_lock(-1)
        self._scheduler.switch()

    def _is_owned(self) -> bool:
        return self._owner == threading.get_ident()


class TurnLock:
    """The lock that a waiter sleeps on; `has_rung` once it was released."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.has_rung = False
        self._locked = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        patience = (inf if timeout < 0 else timeout) if blocking else 0.0
        if self._locked and not self._scheduler.wait(lambda: not self._locked, patience):
            return False
        self._locked = True
        return True

    def release(self) -> None:
        assert self._locked, "woken twice"
        self._locked = False
        self.has_rung = True
        self._scheduler.switch()

    def locked(self) -> bool:
        return self._locked


def _unraisable(args: Any, *, told: Callable[[Any], object]) -> None:
    """Forget a strike in a finalizer; pytest would keep its frames, and what these hold."""
    if args.exc_type is not Strike:
        told(args)


@contextmanager
def in_charge(scheduler: Scheduler) -> Iterator[None]:
    """Give the package the scheduler's clock, and its locks to waiters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", partial(_unraisable, told=sys.unraisablehook))
        for name, module in list(sys.modules.items()):
            if name.startswith("redis_pool_ext."):
                patch.setattr(module, "monotonic", scheduler.clock, raising=False)
                patch.setattr(module, "sleep", scheduler.sleep, raising=False)
        patch.setattr(
            redis_pool_ext.books.records,
            "threading",
            SimpleNamespace(Lock=lambda: TurnLock(scheduler)),
        )
        yield
