"""Two threads that meet in the pool, at each place where one of them can be halted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
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
    make: Callable[[], Stage], one: Callable[[Stage], object], other: Callable[[Stage], object]
) -> Iterator[tuple[str, Stage]]:
    """Do `one` on a new stage, and in the middle of it `other`; at each place in turn."""
    for place in count():
        stage = make()
        where = _meet(stage, one, other, place)
        if where is None:
            return
        yield where, stage


def _meet(
    stage: Stage, one: Callable[[Stage], object], other: Callable[[Stage], object], place: int
) -> str | None:
    threads: list[Spawned] = []
    where = run_visited(
        lambda: one(stage), lambda: threads.append(stage.send(other)), place, among=STRUCK[:1]
    )
    for thread in threads:
        thread.result()
    return where
