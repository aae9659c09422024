"""More tasks than connections, in one event loop: how long they wait, who gets how many turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from itertools import chain
from typing import Any, NamedTuple

import redis.asyncio

from redis_pool_ext import AsyncRedisPool

from .contention import Crowd
from .harness import Effort, Row, rotated, row
from .pools import PATIENCE, SMALLEST

__all__ = ["CONNECTIONS", "HOLD", "KINDS", "TASKS", "AsyncKind", "crowd", "rows_of_crowds"]

TASKS = 64
CONNECTIONS = 10

BLOCKING = "redis.asyncio blocking"

# Seconds that a task keeps a connection for.
HOLD = 0.0005

# Whoever loops that long sees what starves.
ROUNDS = 5

# Those of a crowd's figures that are shown.
COLUMNS = ("throughput", "p50", "p99", "worst", "least/most", "cpu")


class AsyncPool(NamedTuple):
    """What a crowd of tasks does with a pool."""

    get: Callable[[], Coroutine[Any, Any, Any]]
    put: Callable[[Any], Coroutine[Any, Any, Any]]


class AsyncKind(NamedTuple):
    """A kind of pool; `open(options)` gives one with all its connections made and idle."""

    name: str
    open: Callable[[dict[str, Any]], AbstractAsyncContextManager[AsyncPool]]
    note: str


def rows_of_crowds(
    runner: asyncio.Runner,
    options: dict[str, Any],
    effort: Effort,
    *,
    unit: dict[str, str],
    group: str,
) -> list[Row]:
    """Let a crowd loop, for the same time with each pool, in turns."""
    found: dict[str, list[Crowd]] = {kind.name: [] for kind in KINDS}
    for turn in range(min(ROUNDS, effort.rounds)):
        for kind in rotated(KINDS, turn):
            found[kind.name].append(runner.run(_one_round(kind, options, effort.seconds)))
    return [_row(kind, found[kind.name], unit, group) for kind in KINDS]


async def _one_round(kind: AsyncKind, options: dict[str, Any], seconds: float) -> Crowd:
    async with kind.open(options) as pool:
        return await crowd(pool, seconds)


async def crowd(pool: AsyncPool, seconds: float) -> Crowd:
    """Let the tasks loop; each takes a connection, keeps it a while, and gives it back."""
    waits: list[list[float]] = [[] for _ in range(TASKS)]
    is_over = asyncio.Event()

    async def work(mine: list[float]) -> None:
        while not is_over.is_set():
            began = time.perf_counter()
            connection = await pool.get()
            mine.append(time.perf_counter() - began)
            await asyncio.sleep(HOLD)
            await pool.put(connection)

    began, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for mine in waits:
            tasks.create_task(work(mine))
        await asyncio.sleep(seconds)
        is_over.set()
    # What was begun was finished: those who starved have had one turn by now, and that wait.
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Crowd(sorted(chain.from_iterable(waits)), [len(mine) for mine in waits], wall, cpu)


def _row(kind: AsyncKind, crowds: Sequence[Crowd], unit: dict[str, str], group: str) -> Row:
    figures = [each.figures() for each in crowds]
    rounds = {column: [each[column] for each in figures] for column in COLUMNS}
    return row(kind.name, rounds, unit, note=kind.note, group=group)


# -- the pools -----------------------------------------------------------------------------


@asynccontextmanager
async def _ours(options: dict[str, Any]) -> AsyncIterator[AsyncPool]:
    async with AsyncRedisPool(max_connections=CONNECTIONS, timeout=PATIENCE, **options) as pool:
        yield await _filled(AsyncPool(pool.get_connection, pool.release))


@asynccontextmanager
async def _blocking(options: dict[str, Any]) -> AsyncIterator[AsyncPool]:
    pool = redis.asyncio.BlockingConnectionPool(
        max_connections=CONNECTIONS, timeout=PATIENCE, **options
    )
    async with aclosing(pool):
        yield await _filled(AsyncPool(pool.get_connection, pool.release))


@asynccontextmanager
async def _smallest(_options: dict[str, Any]) -> AsyncIterator[AsyncPool]:
    free = [object() for _ in range(CONNECTIONS)]
    permits = asyncio.Semaphore(CONNECTIONS)

    async def get() -> object:
        await permits.acquire()
        return free.pop()

    async def put(item: object) -> None:
        free.append(item)
        permits.release()

    yield AsyncPool(get, put)


async def _filled(pool: AsyncPool) -> AsyncPool:
    for connection in [await pool.get() for _ in range(CONNECTIONS)]:
        await pool.put(connection)
    return pool


KINDS = (
    AsyncKind("redis_pool_ext", _ours, "`AsyncRedisPool`"),
    AsyncKind(
        BLOCKING,
        _blocking,
        "`redis.asyncio.BlockingConnectionPool`",
    ),
    AsyncKind(
        SMALLEST,
        _smallest,
        "`asyncio.Semaphore` and a list: no deadline, no counters, no checks; what tasks cost here",
    ),
)
