"""What each step costs with ten connections or waiters, and with thousands of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import psycopg_pool
import redis

import redis_pool_ext

from .crowd import threads
from .cycle import taking_turns
from .harness import (
    Contender,
    Curve,
    Effort,
    Result,
    Row,
    Run,
    beaten,
    interleave,
    rotated,
    row,
    with_ratios,
)
from .pools import KINDS, PATIENCE, SMALLEST, Kind, Pool, room_for

__all__ = ["TITLE", "measure"]

TITLE = "As it grows: the cost of each step with n connections or n waiters, stub connections"

SIZES = (10, 100, 1_000, 5_000)

# Each of them takes thousands of threads.
ROUNDS = 3

CYCLE = "acquire + release, n idle"
STATS = "stats(), n idle"
HAND_OFF = "hand-off, n waiting"
CANCELLED = "a waiter that leaves, n waiting"
WAITING = "CPU per waiter and second, n waiting"

REASONS = {
    SMALLEST: "it hands over and does nothing else",
    "psycopg_pool": "its waiters sleep until they are served or their time is over, and one that "
    "leaves stays in its queue until a connection comes by; it keeps fewer books",
    "redis-py blocking": "its waiters sleep until somebody wakes them, and whoever runs takes what "
    "is free, out of turn",
    "redis-py plain": "its connection count is the length of two collections",
}

_REFUSALS = (
    redis_pool_ext.PoolExhaustedError,
    redis.ConnectionError,
    psycopg_pool.PoolTimeout,
)

ByName = dict[str, list[float]]


class Queued(NamedTuple):
    """What was measured while so many waited; seconds."""

    cpu: float  # per waiter and second
    cancelled: float | None
    hand_off: float


def measure(effort: Effort) -> Result:
    """Measure each step at each size that this effort has time and this process room for."""
    most = max(SIZES[0], effort.count(SIZES[-1]))
    sizes = [size for size in SIZES if size <= most and room_for(size) == size]
    figures: dict[str, dict[int, ByName]] = {
        step: {} for step in (CYCLE, STATS, HAND_OFF, CANCELLED, WAITING)
    }
    for size in sizes:
        figures[CYCLE][size] = _loops(taking_turns, KINDS.values(), size, effort, 2_000)
        with_stats = [kind for kind in KINDS.values() if kind.name != SMALLEST]
        figures[STATS][size] = _loops(_counting, with_stats, size, effort, 1_000)
        for step, found in _crowds(size, effort).items():
            figures[step][size] = found
    unit = {str(size): "us" for size in sizes} | {"ratio": "x"}
    rows: list[Row] = []
    for step, by_size in figures.items():
        rows += with_ratios(_rows(step, by_size, unit), str(sizes[-1]))
    return Result(
        "growth",
        TITLE,
        unit,
        rows,
        curves=[_curve(step, by_size) for step, by_size in figures.items()],
        remarks=[
            "the ratio is that of the last column",
            "hand-off: n threads wait for one connection, and each gives it on at once; time until "
            "the last one had it, over n. What a switch of threads costs is in it: see the "
            "smallest fair semaphore",
            "a waiter that leaves: a caller with a microsecond of patience joins n who wait; what "
            "its exception costs is in it",
            "CPU per waiter and second: what n threads in the queue use while nothing happens",
            *beaten(rows, str(sizes[-1]), REASONS),
        ],
        ratio_of=str(sizes[-1]),
        highlights=[HAND_OFF],
    )


# -- while nobody waits --------------------------------------------------------------------


def _loops(
    setup: Callable[[Kind, int], Any],
    kinds: Sequence[Kind] | Any,
    size: int,
    effort: Effort,
    number: int,
) -> ByName:
    contenders = [Contender(kind.name, partial(setup, kind, size)) for kind in kinds]
    rounds = min(2 * ROUNDS + 1, effort.rounds)
    return interleave(contenders, rounds=rounds, number=effort.count(number))


@contextmanager
def _counting(kind: Kind, size: int) -> Iterator[Run]:
    with kind.open(size) as pool:
        stats = pool.stats
        assert stats is not None

        def run(number: int) -> None:
            for _ in repeat(None, number):
                stats()

        yield run


# -- while n wait --------------------------------------------------------------------------


def _crowds(size: int, effort: Effort) -> dict[str, ByName]:
    kinds = [kind for kind in KINDS.values() if kind.name != "redis-py plain"]
    found: dict[str, ByName] = {HAND_OFF: {}, CANCELLED: {}, WAITING: {}}
    for turn in range(min(ROUNDS, effort.rounds)):
        for kind in rotated(kinds, turn):
            with kind.open(1) as pool:
                queued = _queue_up(pool, size, effort, kind.name)
            found[HAND_OFF].setdefault(kind.name, []).append(queued.hand_off)
            found[WAITING].setdefault(kind.name, []).append(queued.cpu)
            if queued.cancelled is not None:
                found[CANCELLED].setdefault(kind.name, []).append(queued.cancelled)
    # In the order of the contenders, ours first, whoever had the first turn.
    return {
        step: {kind.name: by_name[kind.name] for kind in kinds if kind.name in by_name}
        for step, by_name in found.items()
    }


def _queue_up(pool: Pool, size: int, effort: Effort, name: str) -> Queued:
    """Let so many threads wait for the one connection, look, and serve them all."""
    served_at = [0.0] * size
    gate = threading.Lock()  # a thread that ends takes its time: not before all are served
    connection = pool.get()

    def wait(number: int) -> None:
        mine = pool.get()
        served_at[number] = time.perf_counter()
        pool.put(mine)
        with gate:
            pass

    with threads([partial(wait, number) for number in range(size)]), gate:
        _until(lambda: pool.waiting() == size, f"{name}: not all of {size} came to wait")
        cpu = _cpu_of_waiting(0.6 * effort.seconds) / size
        cancelled = _cancelled(pool, effort.count(100))
        began = time.perf_counter()
        pool.put(connection)
        _until(lambda: all(served_at), f"{name}: not all of {size} were served")
    return Queued(cpu, cancelled, (max(served_at) - began) / size)


def _until(is_so: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > end:
            raise RuntimeError(otherwise)
        time.sleep(0.01)


def _cpu_of_waiting(seconds: float) -> float:
    wall, cpu = time.perf_counter(), time.process_time()
    time.sleep(seconds)
    return (time.process_time() - cpu) / (time.perf_counter() - wall)


def _cancelled(pool: Pool, number: int) -> float | None:
    if pool.get_at_once is None:
        return None
    began = time.perf_counter()
    for _ in repeat(None, number):
        with suppress(*_REFUSALS):
            pool.get_at_once()
            raise RuntimeError("there was nothing to get, and it was given")
    return (time.perf_counter() - began) / number


# -- what is shown -------------------------------------------------------------------------


def _rows(step: str, by_size: dict[int, ByName], unit: dict[str, str]) -> list[Row]:
    names = list(next(iter(by_size.values())))
    return [
        row(
            name,
            {str(size): by_name[name] for size, by_name in by_size.items()},
            unit,
            note=KINDS[name].note,
            group=step,
        )
        for name in names
    ]


def _curve(step: str, by_size: dict[int, ByName]) -> Curve:
    rows = _rows(step, by_size, {str(size): "us" for size in by_size})
    series = {
        each.name: [(float(size), each.values[str(size)]) for size in by_size] for each in rows
    }
    return Curve(step, "n", "us", series, is_log_x=True, is_log_y=True)
