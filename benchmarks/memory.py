"""What an idle connection, a lease and a pool take, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from redis_pool_ext.embedded import EmbeddedRedis

from .harness import Effort, Result, Row, beaten, rotated, with_ratios
from .memory_child import GROUPS, resident_is_known

__all__ = ["TITLE", "measure"]

TITLE = "Memory: an empty pool, an idle connection (loopback), what a request gets"

ROUNDS = 3

# What is measured, in words, and how many of it are made.
THINGS = {
    "pool": ("an empty pool", 50),
    "connection": ("an idle connection", 500),
    "client": ("a lease or client that is not used", 1_000),
}

NOTES = {
    "redis_pool_ext": "`RedisPool`; `pool.lease()` with its client",
    "redis-py blocking": "`redis.BlockingConnectionPool`, 16 connections as the others",
    "redis-py plain": "`redis.ConnectionPool`",
    "redis-py client": "`Redis(connection_pool=pool)`",
}

_FEWER_BOOKS = "no books: no slot, no account of replies owed, no look at the state left behind"
REASONS = {
    "redis-py blocking": _FEWER_BOOKS,
    "redis-py plain": _FEWER_BOOKS,
    "redis-py client": "it shares its pool's connections and lock, and keeps none for a request",
}


def measure(effort: Effort) -> Result:
    """Start a process for each thing, contender and way to look, in turns."""
    hows = ["allocated", "resident"] if resident_is_known() else ["allocated"]
    unit = dict.fromkeys(hows, "KiB") | {"ratio": "x"}
    rows: list[Row] = []
    with EmbeddedRedis() as server:
        for group, (title, full) in THINGS.items():
            names = list(GROUPS[group])
            rounds = {name: {how: list[float]() for how in hows} for name in names}
            for turn in range(min(ROUNDS, effort.rounds)):
                for name in rotated(names, turn):
                    for how in hows:
                        figure = _in_a_child(
                            [group, name, str(effort.count(full)), server.url, how]
                        )
                        rounds[name][how].append(figure / 1024)
            rows += with_ratios([_row(name, rounds[name], title) for name in names], "allocated")
    return Result(
        "memory",
        TITLE,
        unit,
        rows,
        remarks=[
            "allocated: what `tracemalloc` counts, Python's own allocations; resident: growth "
            "of what is in RAM. The ratio is that of allocated",
            "the greater part of a connection is the buffer that redis-py's hiredis parser "
            "receives in, ours and theirs; as long as nothing large comes, little of it is in RAM",
            *beaten(rows, "allocated", REASONS),
        ],
        ratio_of="allocated",
    )


def _row(name: str, rounds: dict[str, list[float]], group: str) -> Row:
    medians = {how: median(figures) for how, figures in rounds.items()}
    return Row(name, medians, rounds, NOTES[name], group)


def _in_a_child(arguments: Sequence[str]) -> float:
    command = [sys.executable, "-m", "benchmarks.memory_child", *arguments]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=True, timeout=120
    )
    return float(done.stdout)
