"""Who comes when, and what goes wrong meanwhile: loads as data, and how a pool stands them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from .barging import BargingPool
from .clockwork import Action, Clockwork, seeded
from .outcome import Outcome, Request
from .paper import PaperPool
from .servers import Roomy, Server, Trouble
from .simulation import at_random
from .visits import SERVED, OnPaper, Visit

__all__ = ["Arrival", "Crowd", "Discipline", "Retry", "Storm", "replay", "simulate"]


class Discipline(NamedTuple):
    """How a pool keeps its queue: the settings of a `RedisPool`; None: redis-py's blocking pool."""

    name: str
    settings: Mapping[str, Any] | None

    def pool(self, clock: Clockwork, server: Server, *, size: int, timeout: float) -> OnPaper:
        """Return a pool of it on paper, with all of its connections made."""
        pool: PaperPool | BargingPool
        if self.settings is None:
            pool = BargingPool(clock, server, max_connections=size, timeout=timeout)
        else:
            pool = PaperPool(clock, server, max_connections=size, timeout=timeout, **self.settings)
        pool.fill()
        return pool


class Retry(NamedTuple):
    """When who was refused comes again: after so many seconds, up to `spread` times as many.

    `tries` is how often anybody comes at most.
    """

    after: float
    spread: float = 1.0
    tries: int = 1_000_000

    def pause(self, rng: random.Random) -> float:
        """Return the seconds until the next try."""
        return self.after * rng.uniform(1.0, self.spread)


class Crowd(NamedTuple):
    """Clients that come again and again: so many, each `thinks` so long on average; seconds."""

    clients: int
    thinks: float


class Arrival(NamedTuple):
    """Somebody who comes at a moment, and would hold a connection for so long; seconds.

    `late`: how long after it they come to the pool.
    """

    at: float
    hold: float
    late: float = 0.0


@dataclass(frozen=True, slots=True)
class Storm:
    """A load: `rate` says for each moment how many come, times what the pool can serve.

    At each of the `flashes` so many more come at once. In their stead there may be a `crowd`.
    Figures are those from `begin` to `until` (0: to the end, after `seconds`).
    """

    name: str
    seconds: float
    begin: float = 0.0
    until: float = 0.0
    rate: float = 1.0
    flashes: Sequence[tuple[float, int]] = ()
    trouble: Trouble | None = None
    retry: Retry | None = None
    crowd: Crowd | None = None
    hold: float = 0.005
    size: int = 10
    timeout: float = 0.2

    @property
    def capacity(self) -> float:
        """How many a second the pool serves at most, while nothing is wrong."""
        return self.size / self.hold

    @property
    def possible(self) -> float:
        """How many a second it serves at most in the time that the figures are about."""
        trouble = self.trouble
        is_slow = trouble is not None and trouble.slower and self.begin < trouble.end
        return self.capacity / (trouble.slower if trouble is not None and is_slow else 1.0)


def simulate(
    storm: Storm, discipline: Discipline, seed: int, watch: Action | None = None
) -> Outcome:
    """Return what becomes of each request of a storm; holds are random (exponential).

    `watch(pool)` is called after each event.
    """
    with seeded(seed) as rng:
        clock = Clockwork()
        pool = discipline.pool(
            clock, Roomy(clock, storm.trouble), size=storm.size, timeout=storm.timeout
        )
        comers = _Comers(clock, pool, storm, rng)
        comers.invite()
        clock.run(
            storm.seconds + storm.timeout + 100 * storm.hold,
            None if watch is None else partial(watch, pool),
        )
    return Outcome(comers.found, storm.begin, storm.until or storm.seconds)


def replay(
    discipline: Discipline,
    arrivals: Sequence[Arrival],
    *,
    size: int,
    timeout: float,
    span: tuple[float, float],
) -> Outcome:
    """Return what becomes of these requests."""
    clock = Clockwork()
    pool = discipline.pool(clock, Roomy(clock), size=size, timeout=timeout)
    found: list[Request] = []
    for each in arrivals:
        clock.at(each.at + each.late, pool.visit, Visit(each.hold, partial(_add, found, each)))
    clock.run()
    return Outcome(found, *span)


def _add(found: list[Request], arrival: Arrival, visit: Visit) -> None:
    seconds = visit.seconds + arrival.late
    found.append(Request(arrival.at, seconds, visit.end == SERVED, arrival.late))


def _note(found: list[Request], visit: Visit) -> None:
    found.append(Request(visit.at, visit.seconds, visit.end == SERVED, client=visit.client))


class _Comers:
    """Those who come, and come again."""

    def __init__(self, clock: Clockwork, pool: OnPaper, storm: Storm, rng: random.Random) -> None:
        self.found: list[Request] = []
        self._clock = clock
        self._pool = pool
        self._storm = storm
        self._rng = rng

    def invite(self) -> None:
        """Let all come at their times."""
        storm, rng = self._storm, self._rng
        if storm.crowd is not None:
            for client in range(storm.crowd.clients):
                self._clock.at(rng.uniform(0, storm.crowd.thinks), self._come, client)
            return
        arrivals = at_random(rng, storm.seconds, storm.rate * storm.capacity)
        arrivals += [at for at, number in storm.flashes for _ in range(number)]
        for client, at in enumerate(arrivals):
            self._clock.at(at, self._come, client)

    def _come(self, client: int, tries: int = 1) -> None:
        if self._clock.now < self._storm.seconds:
            hold = self._rng.expovariate(1 / self._storm.hold)
            self._pool.visit(Visit(hold, partial(self._gone, tries), client))

    def _gone(self, tries: int, visit: Visit) -> None:
        _note(self.found, visit)
        storm, rng = self._storm, self._rng
        if visit.end != SERVED and storm.retry is not None and tries < storm.retry.tries:
            self._clock.after(storm.retry.pause(rng), self._come, visit.client, tries + 1)
        elif storm.crowd is not None:
            self._clock.after(rng.expovariate(1 / storm.crowd.thinks), self._come, visit.client)
