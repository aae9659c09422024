"""Rounds that take turns, and the records that a benchmark returns.

What a machine needs for a piece of work changes by the second: other programs, the heat
of the processor. So contenders are never measured one after the other, but in many short
rounds; each round has all of them, in an order that rotates. Compare the ratios.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import Any, NamedTuple, Self, TypeVar

__all__ = [
    "FULL",
    "OURS",
    "QUICK",
    "RATIO",
    "SCALE",
    "Contender",
    "Curve",
    "Effort",
    "Result",
    "Row",
    "Run",
    "Target",
    "Timing",
    "beaten",
    "interleave",
    "paired",
    "quartiles",
    "ratio",
    "rotated",
    "row",
    "timed_rows",
    "timings",
    "with_ratios",
]

T = TypeVar("T")

Run = Callable[[int], Any]

# The column that compares: the first row of the group is 1, a peer's is peer over ours.
RATIO = "ratio"

# What each of our own contenders is called, or what its name begins with.
OURS = "redis_pool_ext"

# How many of a unit are in a second; other units are not scaled.
SCALE = {"s": 1.0, "ms": 1e3, "us": 1e6}


class Contender(NamedTuple):
    """One way to do the work. `setup` gives a `run(n)` that does it n times."""

    name: str
    setup: Callable[[], AbstractContextManager[Run]]
    note: str = ""  # how it is set up, in a few words


class Effort(NamedTuple):
    """How long to measure: rounds, seconds of a round that runs by the clock, scale of counts."""

    rounds: int
    seconds: float
    factor: float

    def count(self, full: int) -> int:
        """Return what `full`, the number for a full run, is in this one; at least 1."""
        return max(1, round(full * self.factor))


FULL = Effort(rounds=21, seconds=2.0, factor=1.0)
QUICK = Effort(rounds=3, seconds=0.2, factor=0.1)


class Row(NamedTuple):
    """A line of the table: medians by column, and what they are the medians of.

    Rows of one `group` did the same work; the first of them is ours.
    """

    name: str
    values: dict[str, float]
    rounds: dict[str, list[float]]
    note: str = ""
    group: str = ""


class Target(NamedTuple):
    """What was aimed at: `ratio` is what was measured."""

    text: str
    ratio: float
    limit: float
    is_met: bool

    @classmethod
    def at_least(cls, text: str, measured: float, limit: float) -> Self:
        """Aim at `limit` or more."""
        return cls(text, measured, limit, measured >= limit)

    @classmethod
    def at_most(cls, text: str, measured: float, limit: float) -> Self:
        """Aim at `limit` or less."""
        return cls(text, measured, limit, measured <= limit)


class Curve(NamedTuple):
    """What one plot shows: some series of (x, y), ours first."""

    title: str
    x_label: str
    y_label: str
    series: dict[str, list[tuple[float, float]]]
    is_log_x: bool = False
    is_log_y: bool = False


@dataclass
class Result:
    """What a benchmark found.

    `unit` names the unit of each column, in the table's order; `ratio_of` the column that
    `with_ratios` compared. `highlights` are the groups that the overview shows (none: all).
    """

    key: str
    title: str
    unit: dict[str, str]
    rows: list[Row]
    targets: list[Target] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    ratio_of: str = ""
    highlights: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return what `from_dict` understands, of types that JSON knows."""
        plain = asdict(self)
        for name in ("rows", "targets", "curves"):
            plain[name] = [record._asdict() for record in getattr(self, name)]
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Return the result that was written as `plain`."""
        rest = dict(plain)
        rest["rows"] = [Row(**row) for row in plain["rows"]]
        rest["targets"] = [Target(**target) for target in plain["targets"]]
        rest["curves"] = [Curve(**curve) for curve in plain["curves"]]
        return cls(**rest)


class Timing(NamedTuple):
    """Seconds per operation, one per round: by the clock, and of this process's CPU time."""

    wall: list[float]
    cpu: list[float]


def interleave(
    contenders: Sequence[Contender], *, rounds: int, number: int
) -> dict[str, list[float]]:
    """Return the seconds per operation of each contender, one per round."""
    found = timings(contenders, rounds=rounds, number=number)
    return {name: timing.wall for name, timing in found.items()}


def timings(contenders: Sequence[Contender], *, rounds: int, number: int) -> dict[str, Timing]:
    """Return the times of each contender; a round does its work `number` times.

    All are set up at the beginning, and have run once before the first round.
    """
    found = {contender.name: Timing([], []) for contender in contenders}
    if len(found) < len(contenders):
        raise ValueError("two contenders have the same name")
    with ExitStack() as stack:
        runs = [(each.name, stack.enter_context(each.setup())) for each in contenders]
        for _, run in runs:
            run(max(1, number // 10))
        # The rounds' collections of garbage are part of the work; what was there before is not.
        gc.collect()
        gc.freeze()
        stack.callback(gc.unfreeze)
        for turn in range(rounds):
            for name, run in rotated(runs, turn):
                wall, cpu = _measure(run, number)
                found[name].wall.append(wall)
                found[name].cpu.append(cpu)
    return found


def _measure(run: Run, number: int) -> tuple[float, float]:
    gc.collect()  # nobody pays for what the one before has left
    cpu, wall = time.process_time(), time.perf_counter()
    run(number)
    return (time.perf_counter() - wall) / number, (time.process_time() - cpu) / number


def rotated(items: Sequence[T], turn: int) -> list[T]:
    """Return the items, beginning with another one at each turn."""
    first = turn % len(items) if items else 0
    return [*items[first:], *items[:first]]


def row(
    name: str,
    rounds: Mapping[str, Iterable[float]],
    unit: dict[str, str],
    *,
    note: str = "",
    group: str = "",
) -> Row:
    """Return a row of medians; a column of times is given in seconds, and scaled to its unit."""
    scaled = {
        column: [figure * SCALE.get(unit[column], 1.0) for figure in figures]
        for column, figures in rounds.items()
    }
    medians = {column: median(figures) for column, figures in scaled.items()}
    return Row(name, medians, scaled, note, group)


def timed_rows(
    contenders: Sequence[Contender], effort: Effort, number: int, unit: dict[str, str], **more: str
) -> list[Row]:
    """Return a row for each contender: its `timings`, of `number` times in a full run."""
    found = timings(contenders, rounds=effort.rounds, number=effort.count(number))
    return [
        row(each.name, found[each.name]._asdict(), unit, note=each.note, **more)
        for each in contenders
    ]


def with_ratios(rows: Sequence[Row], column: str) -> list[Row]:
    """Return the rows with a column more: each over the first of its group, round by round."""
    first: dict[str, Row] = {}
    return [_with_ratio(each, first.setdefault(each.group, each), column) for each in rows]


def _with_ratio(each: Row, ours: Row, column: str) -> Row:
    rounds = paired(each, ours, column)
    return each._replace(
        values={**each.values, RATIO: median(rounds)}, rounds={**each.rounds, RATIO: rounds}
    )


def paired(each: Row, ours: Row, column: str) -> list[float]:
    """Return theirs over ours for each round: what disturbed one round disturbed both."""
    pairs = zip(each.rounds[column], ours.rounds[column], strict=False)
    return [ratio(theirs, own) for theirs, own in pairs]


def ratio(over: float, under: float) -> float:
    """Divide; infinite over nothing, where Python raises."""
    return over / under if under else float("inf")


def beaten(
    rows: Sequence[Row], column: str, reasons: dict[str, str], *, more_is_better: bool = False
) -> list[str]:
    """Return a remark for each peer that beats us in a column, with the reason by its name."""
    first: dict[str, Row] = {}
    where: dict[str, list[str]] = {}
    for each in rows:
        ours = first.setdefault(each.group, each)
        if column not in each.values or each.name.startswith(OURS):
            continue
        share = median(paired(each, ours, column))
        # By more than the table shows.
        if round(share, 2) > 1.0 if more_is_better else round(share, 2) < 1.0:
            group = f" ({each.group})" if each.group else ""
            where.setdefault(each.name, []).append(f"{share:.2f} of ours{group}")
    return [
        f"{name}, {column}: {'; '.join(places)}. Why: {reasons.get(name, 'we cannot say yet')}."
        for name, places in where.items()
    ]


def quartiles(figures: Sequence[float]) -> tuple[float, float]:
    """Return the lower and the upper quartile: half of the rounds are between them."""
    if len(figures) < 2:
        return figures[0], figures[0]
    lower, _, upper = quantiles(figures, n=4, method="inclusive")
    return lower, upper
