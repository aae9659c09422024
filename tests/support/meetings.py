"""Two threads that meet in the pool, at each place where one of them can be halted."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from types import FrameType
from typing import Any, Self

from redis_pool_ext import RedisPool

from .strikes import STRUCK, run_visited
from .stub import StubConnection
from .threads import Spawned, spawn


class TellingLock:
    """A pool's lock that says when somebody has to wait for it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.is_waited_for = False

    def __enter__(self) -> Self:
        if not self._lock.acquire(False):
            self.is_waited_for = True
            self._lock.acquire()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._lock.release()

    def _is_owned(self) -> bool:
        return self._lock._is_owned()  # type: ignore[attr-defined]


class Stage:
    """A pool of stubs with some connections out and some idle."""

    def __init__(self, *, idle: int, out: int, **settings: Any) -> None:
        self.pool = RedisPool(
            StubConnection,
            max_connections=idle + out,
            max_connecting=idle + out,
            timeout=5,
            housekeeping_interval=None,
            **settings,
        )
        self.lock = self.pool._lock = TellingLock()
        taken = [self.pool.get_connection() for _ in range(idle + out)]
        self.out = [taken.pop() for _ in range(out)]
        while taken:
            self.pool.release(taken.pop())
        self.results: list[Any] = []

    @property
    def idle(self) -> list[Any]:
        return self.pool._ledger.idle

    def assert_whole(self) -> None:
        """Nothing is out any more, and what idles may be lent."""
        stats = self.pool.stats()
        assert (stats.in_use, stats.connecting, stats.waiting) == (0, 0, 0)
        assert stats.idle + sum(stats.discarded.values()) == stats.created
        assert stats.acquired == stats.released
        assert all(each.generation == stats.generation for each in self.idle)
        assert stats.idle <= stats.max_connections
        assert not (stats.is_closed and stats.idle)

    def send(self, act: Callable[[Stage], object]) -> Spawned:
        """Let another thread do something, until it is done or waits for this one."""
        self.lock.is_waited_for = False
        thread = spawn(act, self)
        end = time.monotonic() + 10
        while thread.is_alive() and not self.lock.is_waited_for and not self.pool._ledger.queue:
            assert time.monotonic() < end
            time.sleep(0.0001)
        return thread


def meet_everywhere(
    make: Callable[[], Stage],
    one: Callable[[Stage], object],
    other: Callable[[Stage], object],
    inside: Callable[..., object] | None = None,
) -> Iterator[tuple[str, Stage]]:
    """Do `one` on a new stage, and in the middle of it `other`; at each place in turn.

    The places are those at which an interpreter with a GIL lets another thread run; with
    `inside`, every instruction of that function, as without one.
    """
    for place in count():
        stage, threads = make(), _Sent(other)
        if inside is None:
            where = run_visited(
                partial(one, stage), partial(threads.send, stage), place, among=STRUCK[:1]
            )
        else:
            where = _run_visited_inside(
                inside, partial(one, stage), partial(threads.send, stage), place
            )
        for thread in threads:
            thread.result()
        if where is None:
            return
        yield where, stage


class _Sent(list[Spawned]):
    """The threads that were sent, which is one at most."""

    def __init__(self, act: Callable[[Stage], object]) -> None:
        super().__init__()
        self._act = act

    def send(self, stage: Stage) -> None:
        self.append(stage.send(self._act))


def _run_visited_inside(
    function: Any, scenario: Callable[[], object], visit: Callable[[], object], place: int
) -> str | None:
    """Run `scenario`, with a visit at one instruction of `function`; return where it was."""
    left = place
    where: str | None = None

    def trace(frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal left, where
        if frame.f_code is not function.__code__:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode" and where is None:
            left -= 1
            if left < 0:
                where = f"{function.__name__}:{frame.f_lineno}, instruction {frame.f_lasti}"
                visit()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        scenario()
    finally:
        sys.settrace(before)
    return where
