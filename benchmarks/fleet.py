"""More workers than any machine of ours could run, on paper: one server, one limit for all.

A server that does one command at a time, each of 50 us: 20,000 a second. Each worker is a process
with a pool of its own, which knows nothing of the others; the books are the pool's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from typing import NamedTuple

from redis_pool_ext.books.circuit import BACKOFF_BASE, BACKOFF_CAP, FAILURES_TO_OPEN, Circuit

from . import harness
from .clockwork import Clockwork, seeded
from .harness import Curve, Effort, Result, Row
from .outcome import Outcome, Request, share
from .paper import PaperPool
from .servers import OneAtATime, Trouble
from .simulation import at_random
from .visits import Visit

__all__ = ["COMMAND", "TITLE", "Fleet", "Return", "measure"]

TITLE = "A fleet on paper: one server of 20,000 commands a second, holds of one command"

UNIT = {
    "connections": "",
    "goodput": "%",
    "p50": "ms",
    "p99": "ms",
    "refused": "%",
    "server p50": "ms",
    "by the rule": "ms",
    "knocks": "1/s",
    "peak dials": "1/s",
    "half after": "s",
    "all after": "s",
}

COMMAND = 0.00005  # seconds that a command takes the server
RATE = 1 / COMMAND
PATIENCE = 0.2  # seconds, of the visitor, and the pools' timeout
AIM = 0.01  # seconds that a command may wait in the server; the pools' target, too
FLEETS = (
    (100, 1), (100, 2), (100, 4), (100, 8), (100, 16), (100, 32), (100, 64),
    (1_000, 1), (1_000, 2), (1_000, 4), (1_000, 8),
    (5_000, 1), (5_000, 2), (5_000, 4),
)  # fmt: skip
QUICK_FLEETS = ((100, 2), (100, 4))
CALM, STORM = 0.8, 4.0  # times what the server can do
SECONDS = 1.5  # of which the first third fills the queues
CODEL = {"queue_discipline": "codel", "queue_target": AIM, "queue_interval": 0.1}

AFTER = 15.0  # seconds that are watched after an outage
CONNECTIONS = 8
TIMEOUT = 2.0  # seconds


class Fleet(NamedTuple):
    """So many workers with so many connections each, all of them on one server."""

    workers: int
    connections: int

    def run(self, load: float, seconds: float, seed: int) -> tuple[Outcome, list[float]]:
        """Return what became of the requests, and how long commands waited in the server."""
        found: list[Request] = []
        with seeded(seed) as rng:
            clock = Clockwork()
            server = OneAtATime(clock)
            pools = [
                PaperPool(
                    clock, server, max_connections=self.connections, timeout=PATIENCE, **CODEL
                )
                for _ in range(self.workers)
            ]
            for pool in pools:
                pool.fill()
            for at in at_random(rng, seconds, load * RATE):
                clock.at(at, _visit, rng.choice(pools), partial(_note, found))
            clock.run(seconds)
        begin = seconds / 3
        waits = sorted(wait for at, wait in server.waits if at >= begin)
        return Outcome(found, begin, seconds), waits


def _visit(pool: PaperPool, told: Callable[[Visit], object]) -> None:
    pool.visit(Visit(COMMAND, told))


def _note(found: list[Request], visit: Visit) -> None:
    found.append(Request(visit.at, visit.seconds, visit.end == "served"))


class InStep(Circuit):
    """The circuit without the jitter: it knocks again after the whole of each backoff."""

    def failed(self, now: float, error: BaseException) -> None:
        """Note a dial that did not reach the server."""
        super().failed(now, error)
        steps = self._failures - FAILURES_TO_OPEN
        if steps >= 0:
            self.next_probe = now + min(self._longest_backoff, BACKOFF_BASE * 2.0**steps)


class Return(NamedTuple):
    """A server comes back after an outage, and so do the workers: with so many dials at a time.

    `each` is the requests a second of each worker, `handshake` what a new connection takes the
    server, `outage` how long it was not there; seconds.
    """

    workers: int
    each: float
    outage: float
    handshake: float
    max_connecting: int = 2
    is_jittered: bool = True

    @property
    def over(self) -> float:
        """When the server is there again."""
        return 1.0 + self.outage

    def run(self, seconds: float, seed: int) -> dict[str, float]:
        """Return how often it was dialled while it was down, and how soon all were back after."""
        back: dict[int, float] = {}
        with seeded(seed) as rng:
            clock = Clockwork()
            server = OneAtATime(clock, Trouble(1.0, self.over), self.handshake)
            pools = [self._pool(clock, server) for _ in range(self.workers)]
            for at in at_random(rng, self.over + seconds, self.workers * self.each):
                number = rng.randrange(self.workers)
                told = partial(self._back, back, number)
                clock.at(at, _visit, pools[number], told)
            clock.run(self.over + seconds)
        after = sorted(back.values())
        missing = [inf] * (self.workers - len(after))
        dials = Counter(int(10 * at) for at in server.dials)
        return {
            "knocks": len(server.knocks) / self.outage,
            "peak dials": 10.0 * max(dials.values()),
            "half after": share(after + missing, 50.0),
            "all after": share(after + missing, 99.0),
        }

    def _pool(self, clock: Clockwork, server: OneAtATime) -> PaperPool:
        pool = PaperPool(
            clock,
            server,
            max_connections=CONNECTIONS,
            max_connecting=self.max_connecting,
            timeout=TIMEOUT,
        )
        pool.fill()
        if not self.is_jittered:
            pool.ledger.circuit = InStep(BACKOFF_CAP)
        return pool

    def _back(self, back: dict[int, float], number: int, visit: Visit) -> None:
        if visit.end == "served" and visit.at >= self.over:
            back.setdefault(number, visit.at + visit.seconds - self.over)


RETURNS = (
    Return(1_000, 4.0, outage=10.0, handshake=0.0002),
    Return(1_000, 4.0, outage=10.0, handshake=0.0002, is_jittered=False),
    Return(5_000, 1.0, outage=10.0, handshake=0.0002),
    Return(5_000, 1.0, outage=10.0, handshake=0.0002, is_jittered=False),
    Return(1_000, 4.0, outage=0.5, handshake=0.001, max_connecting=1),
    Return(1_000, 4.0, outage=0.5, handshake=0.001, max_connecting=2),
    Return(1_000, 4.0, outage=0.5, handshake=0.001, max_connecting=8),
)
QUICK_RETURNS = (Return(100, 4.0, outage=0.5, handshake=0.001),)


def measure(effort: Effort) -> Result:
    """Try fleets under a load that the server can do, under four times that, after an outage."""
    is_quick = effort.factor < 1
    fleets = [Fleet(*each) for each in (QUICK_FLEETS if is_quick else FLEETS)]
    seconds = SECONDS * (0.3 if is_quick else 1.0)
    rows = [_loaded(each, STORM, seconds) for each in fleets]
    rows += [_loaded(each, CALM, seconds) for each in (fleets[:1] if is_quick else fleets[-3:])]
    rows += [_returned(each) for each in (QUICK_RETURNS if is_quick else RETURNS)]
    return Result("fleet", TITLE, UNIT, rows, curves=_curves(rows), remarks=REMARKS)


def _loaded(fleet: Fleet, load: float, seconds: float) -> Row:
    outcome, waits = fleet.run(load, seconds, seed=1)
    figures = outcome.figures(RATE, PATIENCE)
    connections = fleet.workers * fleet.connections
    figures |= {
        "connections": connections,
        "server p50": share(waits, 50.0),
        "by the rule": connections / RATE,
    }
    if load < 1:
        del figures["by the rule"]  # it is about a server that cannot keep up
    name = f"{fleet.connections} each" if fleet.connections > 1 else "1 connection each"
    return _row(name, figures, f"{load:g} times what the server can do, {fleet.workers:,} workers")


def _returned(each: Return) -> Row:
    jitter = "" if each.is_jittered else ", no jitter"
    return _row(
        f"`max_connecting={each.max_connecting}`{jitter}",
        each.run(AFTER, seed=1),
        f"{each.outage:g} s without a server, {each.workers:,} workers, handshakes of "
        f"{1e3 * each.handshake:g} ms",
    )


def _row(name: str, figures: dict[str, float], group: str) -> Row:
    rounds = {column: [figures[column]] for column in UNIT if column in figures}
    return harness.row(name, rounds, UNIT, group=group)


def _curves(rows: Sequence[Row]) -> list[Curve]:
    storm = [each for each in rows if "by the rule" in each.values]
    return [
        _by_connections(storm, "goodput", "goodput (% of what the server can do)"),
        _by_connections(storm, "server p50", "wait in the server (ms), median"),
    ]


def _by_connections(rows: Sequence[Row], column: str, label: str) -> Curve:
    series: dict[str, list[tuple[float, float]]] = {}
    for each in rows:
        workers = each.group.rpartition(", ")[2]
        point = (each.values["connections"], each.values[column])
        series.setdefault(workers, []).append(point)
    title = f"{STORM:g} times what the server can do: {column}"
    return Curve(title, "connections in all", label, series, is_log_x=True)


REMARKS = [
    "`server p50`: how long a command waits in the server, in the median; `by the rule`: the "
    "connections of all workers over the commands a second. Whatever is refused in the pools, "
    "those that are out are in the server's queue.",
    f"Each pool has `queue_target={AIM:g}`, and its own queue adds about that.",
    "`knocks`: dials a second while the server was not there; `peak dials`: in the tenth of a "
    "second with most of them; `half after` and `all after` (99 %): until the workers had their "
    "first request served. A dial that its caller gave up costs the server as much as another.",
]
