"""More threads than connections: how long they wait, and whether all get their share."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial
from itertools import chain
from statistics import median
from typing import NamedTuple

from .crowd import threads
from .harness import (
    Curve,
    Effort,
    Result,
    Row,
    Target,
    beaten,
    paired,
    ratio,
    rotated,
    row,
    with_ratios,
)
from .pools import KINDS, SMALLEST, Kind, Pool

__all__ = ["TITLE", "measure"]

TITLE = "Contention: threads that take turns on stub connections"

UNIT = {
    "throughput": "1/s",
    "p50": "ms",
    "p99": "ms",
    "p99.9": "ms",
    "worst": "ms",
    "least/most": "",
    "cpu": "us",
    "ratio": "x",
}

# Whoever loops that long sees what starves.
ROUNDS = 5

# What the distribution shows, in percent.
SHARES = (50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99)


class Cell(NamedTuple):
    """How many threads share how many connections, and keep one for how many seconds.

    They loop for as many times what the effort says: who starves waits to the end, and only
    a long loop tells that from a wait.
    """

    threads: int
    connections: int
    hold: float
    times: int = 1

    def seconds(self, effort: Effort) -> float:
        """Return how long its crowds loop."""
        return self.times * effort.seconds

    def __str__(self) -> str:
        hold = f"{self.hold * 1e3:g} ms" if self.hold else "no"
        return f"{self.threads} threads, {self.connections} connections, {hold} hold"


CELLS = (
    Cell(64, 10, 0.0005, times=4),  # the one with the targets
    Cell(8, 10, 0.0005),
    Cell(16, 4, 0.0005),
    Cell(64, 10, 0.005),
    Cell(256, 10, 0.0005),
    Cell(64, 10, 0.0),
)

REASONS = {
    SMALLEST: "the floor: what a fair queue of locks costs when nobody has a deadline, nothing is "
    "counted and nobody can leave the queue",
    "psycopg_pool": "as fair a queue, with a deadline, and with fewer books to keep: not who holds "
    "what since when, nor the state that a connection comes back in",
    "redis-py blocking": "nobody has to wait there for a thread that was woken and is not "
    "running yet: whoever runs takes what is free. Those who sleep pay for it",
}


class Crowd(NamedTuple):
    """How a crowd fared in one round; seconds."""

    waits: list[float]  # sorted
    served: list[int]  # turns of each thread
    wall: float
    cpu: float

    def figures(self) -> dict[str, float]:
        """Return a figure for each column; times in seconds."""
        turns = sum(self.served)
        return {
            "throughput": turns / self.wall,
            "p50": share(self.waits, 50.0),
            "p99": share(self.waits, 99.0),
            "p99.9": share(self.waits, 99.9),
            "worst": self.waits[-1],
            "least/most": ratio(min(self.served), max(self.served)),
            "cpu": self.cpu / turns,
        }


def share(figures: Sequence[float], percent: float) -> float:
    """Return the figure that so many percent of these, which are sorted, do not exceed."""
    return figures[min(len(figures) - 1, int(len(figures) * percent / 100))]


def measure(effort: Effort) -> Result:
    """Let the crowds of each cell loop, for the same time with each pool, in turns."""
    kinds = [kind for kind in KINDS.values() if kind.name != "redis-py plain"]
    cells = CELLS if effort.factor >= 1 else CELLS[:1]
    rows: list[Row] = []
    curves: list[Curve] = []
    for cell in cells:
        crowds = _crowds(kinds, cell, effort)
        rows += with_ratios([_row(kind, crowds[kind.name], cell) for kind in kinds], "worst")
        if cell is CELLS[0]:
            curves.append(_distribution(crowds, cell))
    return Result(
        "contention",
        TITLE,
        UNIT,
        rows,
        targets=_targets(rows),
        curves=curves,
        remarks=[
            f"each crowd loops {min(ROUNDS, effort.rounds)} times for {effort.seconds:g} s, the "
            f"first ones for {CELLS[0].seconds(effort):g} s; a wait that lasts for the whole of it "
            "can hardly be told from one without end",
            "cpu: of the whole process, per turn",
            *beaten(rows, "worst", REASONS),
            *beaten(rows, "throughput", REASONS, more_is_better=True),
        ],
        ratio_of="worst",
        highlights=[str(CELLS[0])],
    )


def _crowds(kinds: Sequence[Kind], cell: Cell, effort: Effort) -> dict[str, list[Crowd]]:
    found: dict[str, list[Crowd]] = {kind.name: [] for kind in kinds}
    for turn in range(min(ROUNDS, effort.rounds)):
        for kind in rotated(kinds, turn):
            with kind.open(cell.connections) as pool:
                found[kind.name].append(_crowd(pool, cell, cell.seconds(effort)))
    return found


def _crowd(pool: Pool, cell: Cell, seconds: float) -> Crowd:
    """Let the threads loop; each takes a connection, keeps it a while, and gives it back."""
    start, stop = threading.Barrier(cell.threads + 1), threading.Event()
    waits: list[list[float]] = [[] for _ in range(cell.threads)]

    def work(mine: list[float]) -> None:
        start.wait()
        while not stop.is_set():
            began = time.perf_counter()
            connection = pool.get()
            mine.append(time.perf_counter() - began)
            if cell.hold:
                time.sleep(cell.hold)
            pool.put(connection)

    with threads([partial(work, mine) for mine in waits]):
        start.wait()
        began, cpu = time.perf_counter(), time.process_time()
        time.sleep(seconds)
        stop.set()
    # What was begun was finished: those who starved have had one turn by now, and that wait.
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Crowd(sorted(chain.from_iterable(waits)), [len(mine) for mine in waits], wall, cpu)


def _row(kind: Kind, crowds: Sequence[Crowd], cell: Cell) -> Row:
    figures = [crowd.figures() for crowd in crowds]
    rounds = {column: [each[column] for each in figures] for column in figures[0]}
    return row(kind.name, rounds, UNIT, note=kind.note, group=str(cell))


def _distribution(crowds: dict[str, list[Crowd]], cell: Cell) -> Curve:
    """Return the wait that a share of all turns does not exceed; medians of the rounds."""
    series = {
        name: [
            (1 / (1 - percent / 100), median(share(each.waits, percent) for each in found) * 1e3)
            for percent in SHARES
        ]
        for name, found in crowds.items()
    }
    return Curve(
        f"Waits: {cell}",
        "one turn in so many waits longer",
        "ms",
        series,
        is_log_x=True,
        is_log_y=True,
    )


def _targets(rows: Sequence[Row]) -> list[Target]:
    cell = str(CELLS[0])
    by_name = {each.name: each for each in rows if each.group == cell}
    ours, theirs = by_name["redis_pool_ext"], by_name["redis-py blocking"]
    return [
        Target.at_most(
            f"{cell}: worst wait over redis-py's: under 1 %",
            median(paired(ours, theirs, "worst")),
            0.01,
        ),
        # Who takes turns pays a switch of threads per turn, who does not need not. On some
        # machines that shows, and it is told in the table; by more than this it is a loss.
        Target.at_least(
            f"{cell}: throughput over redis-py's: the same, within 1 %",
            median(paired(ours, theirs, "throughput")),
            0.99,
        ),
    ]
