"""The queue's disciplines in all kinds of storms: on paper, so nobody's machine is the limit.

The pool's own books, driven by a clock that jumps from event to event; redis-py's blocking pool
as a model of its queue. The same seed gives the same figures on each machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from . import harness
from .harness import OURS, Curve, Effort, Result, Row
from .outcome import FIGURES, Outcome, Request, jain
from .servers import Trouble
from .storms import Crowd, Discipline, Retry, Storm, simulate

__all__ = ["DISCIPLINES", "STORMS", "TITLE", "measure"]

TITLE = "Disciplines of the queue, on paper: 10 connections, holds of 5 ms, a target of 10 ms"

UNIT = FIGURES | {
    "back after": "s",
    "jain": "",
    "longest gap": "s",
}

PATIENCE = 0.2  # seconds, of the visitor, and the pool's timeout
CALM = (1.0, 1.8)  # from when to when nothing is wrong yet; seconds
SEEDS = 3
LOADS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
SHOWN = (1.0, 2.0, 4.0, 8.0)  # in the table; the curves have all

AIM = 0.01  # seconds, the target
CODEL = {"queue_discipline": "codel", "queue_target": AIM, "queue_interval": 0.1}
DISCIPLINES = (
    Discipline(f"{OURS}, codel", CODEL),
    Discipline(f"{OURS}, max_waiting", {"max_waiting": 40}),
    Discipline(f"{OURS}, fifo", {}),
    Discipline("redis-py blocking", None),
)


def steady(load: float, seconds: float = 4.0) -> Storm:
    """Return so many times what the pool can serve; a quarter of the time fills the queue."""
    return Storm(f"{load:g} times the capacity", seconds, begin=seconds / 4, rate=load)


# What codel is told: seconds, of a target that a hold of 5 ms has to do with, and of an interval.
TARGETS = (0.0025, 0.005, 0.01, 0.02, 0.05)
INTERVALS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
TARGETED = (0.8, 4.0)  # times the capacity

# What is wrong in them begins at 2 s. The figures are those from there, or from its end.
STORMS = (
    Storm(
        "bursts: 40 at once, ten times a second, and 0.4 times the capacity",
        seconds=5.0,
        begin=1.0,
        rate=0.4,
        flashes=[(number / 10, 40) for number in range(50)],
    ),
    Storm(
        "a slow server: holds of 25 ms for 3 s, at 0.8 times the capacity",
        seconds=8.0,
        begin=2.0,
        until=5.0,
        rate=0.8,
        trouble=Trouble(2.0, 5.0, slower=5.0),
    ),
    Storm(
        "twice the capacity, and who is refused comes at once again, up to 5 times",
        seconds=5.0,
        begin=1.0,
        rate=2.0,
        retry=Retry(0.01, tries=5),
    ),
    Storm(
        "2,000 at once, at half the capacity; who is refused comes again after 1 s",
        seconds=12.0,
        begin=2.0,
        rate=0.5,
        flashes=[(2.0, 2000)],
        retry=Retry(1.0),
    ),
    Storm(
        "the same, after 1 to 2 s",
        seconds=12.0,
        begin=2.0,
        rate=0.5,
        flashes=[(2.0, 2000)],
        retry=Retry(1.0, spread=2.0),
    ),
    Storm(
        "down for 10 s, at half the capacity; who is refused comes again after 2 s",
        seconds=32.0,
        begin=12.0,
        rate=0.5,
        trouble=Trouble(2.0, 12.0),
        retry=Retry(2.0),
    ),
    Storm(
        "the same, after 2 to 4 s",
        seconds=32.0,
        begin=12.0,
        rate=0.5,
        trouble=Trouble(2.0, 12.0),
        retry=Retry(2.0, spread=2.0),
    ),
    Storm(
        "800 clients that come again and again, 4 times the capacity",
        seconds=20.0,
        begin=1.0,
        retry=Retry(0.05, spread=2.0),
        crowd=Crowd(800, thinks=0.1),
    ),
)


def measure(effort: Effort) -> Result:
    """Let each storm come over each discipline, with some seeds."""
    is_quick = effort.factor < 1
    seeds = range(effort.count(SEEDS))
    steadily = {
        load: [_row(steady(load, 0.8 if is_quick else 4.0), each, seeds) for each in DISCIPLINES]
        for load in (SHOWN if is_quick else LOADS)
    }
    storms = STORMS[:1] if is_quick else STORMS
    rows = [row for load in SHOWN for row in steadily[load]]
    rows += [_row(storm, each, seeds) for storm in storms for each in DISCIPLINES]
    rows += [] if is_quick else _parameters(seeds)
    return Result(
        "disciplines",
        TITLE,
        UNIT,
        rows,
        curves=[
            _curve(steadily, "goodput", "goodput (% of capacity)"),
            _curve(steadily, "p99", "p99 of the served (ms)"),
            _curve(steadily, "refused", "refused (%)"),
        ],
        remarks=REMARKS,
    )


def _parameters(seeds: Sequence[int]) -> list[Row]:
    """Return what other targets and other intervals make of it."""
    rows = []
    for load in TARGETED:
        group = f"codel at {load:g} times the capacity, by its target; the interval is ten of them"
        storm = replace(steady(load), name=group)
        rows += [_row(storm, _codel("target", target, 10 * target), seeds) for target in TARGETS]
    group = "codel in the first second at 4 times the capacity, by its interval"
    storm = Storm(group, seconds=1.0, rate=4.0)
    rows += [_row(storm, _codel("interval", AIM, interval), seeds) for interval in INTERVALS]
    return rows


def _codel(shown: str, target: float, interval: float) -> Discipline:
    settings = {"queue_target": target, "queue_interval": interval}
    name = f"`queue_{shown}={settings[f'queue_{shown}']:g}`"
    return Discipline(name, {"queue_discipline": "codel", **settings})


def _row(storm: Storm, discipline: Discipline, seeds: Sequence[int]) -> Row:
    found = [_figures(storm, simulate(storm, discipline, seed)) for seed in seeds]
    columns = [name for name in UNIT if all(name in each for each in found)]
    rounds = {name: [each[name] for each in found] for name in columns}
    return harness.row(discipline.name, rounds, UNIT, group=storm.name)


def _figures(storm: Storm, outcome: Outcome) -> dict[str, float]:
    figures = outcome.figures(storm.possible, PATIENCE)
    over = _over(storm)
    if over is not None:
        figures["back after"] = outcome.back_to_normal(CALM, over)
    if storm.crowd is not None:
        figures |= _fairness(outcome.requests, storm.crowd.clients)
    return figures


def _over(storm: Storm) -> float | None:
    """Return when what is wrong ends; None where nothing is, or where it never ends."""
    if storm.trouble is not None:
        return storm.trouble.end
    return storm.flashes[0][0] if len(storm.flashes) == 1 else None


def _fairness(requests: Sequence[Request], clients: int) -> dict[str, float]:
    """Return Jain's index of how often each was served, and the longest time that one was not."""
    served: Counter[int] = Counter(dict.fromkeys(range(clients), 0))
    last: dict[int, float] = {}
    longest = 0.0
    for each in sorted(requests, key=lambda each: each.at + each.seconds):
        if each.is_served:
            end = each.at + each.seconds
            longest = max(longest, end - last.get(each.client, end))
            last[each.client] = end
            served[each.client] += 1
    return {"jain": jain(list(served.values())), "longest gap": longest}


def _curve(steadily: dict[float, list[Row]], column: str, label: str) -> Curve:
    series: dict[str, list[tuple[float, float]]] = {}
    for load, rows in steadily.items():
        for each in rows:
            series.setdefault(each.name, []).append((load, median(each.rounds[column])))
    return Curve(f"On paper: {column}", "offered, times the capacity", label, series)


REMARKS = [
    "Arrivals at random (Poisson), holds at random (exponential); figures are medians of some "
    "seeds. No machine has a part in them.",
    "`max_waiting` is 40: who is the last in the queue waits for 20 ms, twice the target, as long "
    "as holds are what they are here.",
    "`back after`: from the end of what was wrong (a crowd at once: from that moment) until all "
    "were served, and 99 of 100 in the time that they had needed before.",
    "`jain`: 1 if all clients were served equally often; `longest gap`: the longest that one of "
    "them went without being served.",
]
