"""Requests that come no matter how the last ones fared, up to eight times too many.

Each asks the server, works for 8 ms and asks again, on one connection; its visitor has gone
after 200 ms, and work that is done later than that was done for nobody. Goodput is what was
done in time, as a share of what this machine does with the same threads and connections and no
queue at all. Beside it stands what the simulation makes of the same arrivals.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from redis_pool_ext.embedded import EmbeddedRedis

from . import harness
from .harness import OURS, Curve, Effort, Result, Row, Target, beaten, rotated
from .offering import (
    AIM,
    BY_TARGET,
    CONNECTIONS,
    CONTENDERS,
    PATIENCE,
    THEIRS,
    WORK,
    Contender,
    Plan,
    capacity,
    offer,
)
from .outcome import FIGURES, Outcome, difference, slices
from .storms import Arrival, replay

__all__ = ["LOADS", "TITLE", "measure"]

TITLE = "Overload: 4 connections, 8 ms of work, a server, visitors who leave after 200 ms"

LOADS = (1.0, 2.0, 4.0, 8.0)  # times the capacity
WORST = 4.0  # the one with the targets
ROUNDS = 3
SECONDS = 1.5  # times as long as other benchmarks: the queue has to fill first
WARM = 0.2  # of that time, until the figures begin
TOO_LATE = 0.002  # seconds: then it was this machine that kept them waiting

# Parts of a round for which half of the capacity is offered, `WORST`, and half again.
BEFORE, DURING, AFTER = 0.5, 0.75, 1.0

UNIT = FIGURES | {
    "late": "ms",
    "goodput on paper": "%",
    "p99 on paper": "ms",
    "refused on paper": "%",
    "off by": "%",
    "back after": "ms",
}

# Figures that the simulation has to meet, and below which a difference is taken as one of this:
# 3 % or 2 % of the requests are not 50 % apart to anybody.
COMPARED = {"goodput": 20.0, "p99": 5.0, "refused": 20.0}


def measure(effort: Effort) -> Result:
    """Offer each load to each pool, in turn; returns a group of rows per load, and curves."""
    found = _Found(effort)
    with EmbeddedRedis() as server:
        for turn in range(effort.count(ROUNDS)):
            most = capacity(server.port, effort.seconds / 2)
            for load in LOADS:
                found.at_load(server.port, load, most, turn)
            found.in_a_wave(server.port, most, turn)
    return found.result()


class _Found:
    """What the rounds have found."""

    def __init__(self, effort: Effort) -> None:
        self._effort = effort
        self._rows: dict[tuple[float, str], list[Row]] = {}
        self._beside: dict[tuple[float, str], list[Row]] = {}
        self._back: dict[str, list[Row]] = {}
        self._waves: dict[str, Outcome] = {}

    def at_load(self, port: int, load: float, most: float, turn: int) -> None:
        """Offer a load to each pool, and on paper."""
        plan = Plan.of([(self._effort.seconds * SECONDS, load * most)], turn, WARM)
        for each in rotated(CONTENDERS, turn):
            row, paper = _steady(each, port, plan, load, most)
            self._rows.setdefault((load, each.name), []).append(row)
            self._beside.setdefault((load, each.name), []).append(paper)

    def in_a_wave(self, port: int, most: float, turn: int) -> None:
        """Offer half of the capacity to each pool, too much for a while, and half again."""
        seconds = self._effort.seconds
        phases = [(BEFORE, most / 2), (DURING, WORST * most), (AFTER, most / 2)]
        plan = Plan.of([(seconds * part, rate) for part, rate in phases], turn)
        for each in rotated(CONTENDERS, turn):
            outcome = offer(each.entry, port, plan)
            self._waves.setdefault(each.name, outcome)
            self._back.setdefault(each.name, []).append(_recovery(each, outcome, self._effort))

    def result(self) -> Result:
        """Return all of it."""
        pairs = [(load, each.name) for load in LOADS for each in CONTENDERS]
        rows = [_medians(self._rows[pair]) for pair in pairs]
        papers = [_medians(self._beside[pair]) for pair in pairs]
        back = [_medians(self._back[each.name]) for each in CONTENDERS]
        reasons = beaten(rows, "goodput", REASONS, more_is_better=True)
        return Result(
            "overload",
            TITLE,
            UNIT,
            [*rows, *back, *papers],
            targets=_targets(rows, back, papers),
            curves=[
                _curve(rows, "goodput", "goodput (% of capacity)"),
                _curve(rows, "p99", "p99 of the served (ms)"),
                _curve(rows, "told p50", "until told of a refusal (ms), median"),
                _wave(self._waves, self._effort),
            ],
            remarks=[*REMARKS, *_too_late(rows), *reasons],
        )


def _steady(
    contender: Contender, port: int, plan: Plan, load: float, most: float
) -> tuple[Row, Row]:
    """Return what was found at a load, and beside it what the simulation says."""
    outcome = offer(contender.entry, port, plan)
    real = outcome.figures(most, PATIENCE)
    paper = replay(
        contender.discipline,
        _the_same(outcome),
        size=CONNECTIONS,
        timeout=PATIENCE,
        span=(plan.begin, plan.end),
    ).figures(most, PATIENCE)
    group = f"{load:g} times the capacity"
    both = {name: real[name] for name in COMPARED}
    both |= {f"{name} on paper": paper[name] for name in COMPARED}
    row = _row(contender, real, group)
    beside = _row(contender, both, f"{group}, and on paper")
    return row, _with_difference(beside)


def _the_same(outcome: Outcome) -> list[Arrival]:
    """Return those who came, with their holds.

    Who was refused would have had about that of the last one who was served: when this machine
    has something else to do, all holds of that moment are long.
    """
    arrivals, hold = [], WORK
    for each in outcome.all:
        hold = each.held if each.is_served else hold
        arrivals.append(Arrival(each.at, hold, each.late))
    return arrivals


def _with_difference(row: Row) -> Row:
    """Add by how much the simulation is off, in the figure where that is most."""
    off_by = max(
        difference(row.values[name], row.values[f"{name} on paper"], least)
        for name, least in COMPARED.items()
    )
    return row._replace(
        values=row.values | {"off by": off_by}, rounds=row.rounds | {"off by": [off_by]}
    )


def _recovery(contender: Contender, outcome: Outcome, effort: Effort) -> Row:
    """Return how long it took, after the overload, until waits were as before."""
    before, over = effort.seconds * BEFORE, effort.seconds * (BEFORE + DURING)
    seconds = outcome.back_to_normal((0.0, before), over)
    return _row(
        contender, {"back after": seconds}, f"{WORST:g} times the capacity, then half of it"
    )


def _row(contender: Contender, figures: dict[str, float], group: str) -> Row:
    return harness.row(
        contender.name,
        {name: [figure] for name, figure in figures.items()},
        UNIT,
        note=contender.entry.note,
        group=group,
    )


def _medians(rows: Sequence[Row]) -> Row:
    columns = [name for name in UNIT if any(name in each.values for each in rows)]
    rounds = {name: [each.values[name] for each in rows if name in each.values] for name in columns}
    values = {name: median(figures) for name, figures in rounds.items()}
    return rows[0]._replace(values=values, rounds=rounds)


def _targets(rows: Sequence[Row], back: Sequence[Row], papers: Sequence[Row]) -> list[Target]:
    load = f"{WORST:g} times the capacity"
    ours = next(each.values for each in rows if each.group == load and each.name == BY_TARGET)
    hold = 1e3 * WORK
    worst = max(each.values["off by"] for each in papers if each.name.startswith(OURS))
    return [
        Target.at_least(f"{load}, codel: goodput, % of the capacity", ours["goodput"], 90.0),
        Target.at_most(
            f"{load}, codel: p99 of the served at most twice the target plus the hold, ms",
            ours["p99"],
            2e3 * AIM + hold,
        ),
        Target.at_most(
            f"{load}, codel: told of a refusal within 20 ms, median",
            ours.get("told p50", 0.0),
            20.0,
        ),
        Target.at_most(
            f"{load}, then half, codel: waits are normal within a second, ms",
            next(each.values["back after"] for each in back if each.name == BY_TARGET),
            1000.0,
        ),
        Target.at_most(
            "simulation and real run agree within 15 %: goodput, share refused and p99 of each "
            "discipline at each load",
            worst,
            15.0,
        ),
    ]


def _curve(rows: Sequence[Row], column: str, label: str) -> Curve:
    series: dict[str, list[tuple[float, float]]] = {}
    for number, each in enumerate(rows):
        load = LOADS[number // len(CONTENDERS)]
        if column in each.values:
            series.setdefault(each.name, []).append((load, each.values[column]))
    return Curve(f"Overload: {column}", "offered, times the capacity", label, series)


def _wave(waves: dict[str, Outcome], effort: Effort) -> Curve:
    """Draw the 99th percentile of each slice of time, before, during and after an overload."""
    begin, end = effort.seconds * BEFORE, effort.seconds * (BEFORE + DURING)
    series = {
        name: [
            (round(at, 3), 1e3 * p99)
            for at, p99 in slices([each for each in outcome.all if each.is_served])
        ]
        for name, outcome in waves.items()
    }
    return Curve(
        f"{WORST:g} times the capacity from {begin:g} to {end:g} s, else half",
        "seconds",
        "p99 of the served (ms)",
        series,
    )


def _too_late(rows: Sequence[Row]) -> list[str]:
    """Say where it was this machine that kept requests waiting, and no pool."""
    late = [
        f"{each.name}, {each.group}: {each.values['late']:.3g} ms"
        for each in rows
        if each.values["late"] > 1e3 * TOO_LATE
    ]
    if not late:
        return [
            f"{LOADS[-1]:g} times the capacity is as much as this machine can offer in earnest."
        ]
    return [
        "This machine could not offer in earnest, so the figures say little: " + "; ".join(late)
    ]


# Why another goodput can be higher.
REASONS = {
    THEIRS: "newcomers overtake those who wait, so a few are served at once; the others are late",
}

REMARKS = (
    f"The figures begin when {WARM:.0%} of the time is over; what comes before is in the curve "
    "over time.",
    "`served` counts who got a connection and had the work done, also for visitors who had gone "
    "by then. `told`: from the arrival of who was refused until it knew. `late`: how long after "
    "its arrival a request even came to the pool, in the median.",
    "On paper: the same arrivals at the pool's own books, driven by the simulation, and the same "
    "holds; who was refused would have had the hold of the one before. `off by`: the largest "
    "difference of the three; shares of less than 20 %, and waits of less than 5 ms, as if they "
    "were that much.",
    "`back after`: from the end of the overload until the end of the first tenth of a second, of "
    "five in a row, in which all were served, and 99 of 100 in the time that they had needed "
    "before.",
)
