"""The same requests behind a web server: waitress with 8 threads, 8 visitors over HTTP.

Threads meet here, at the pool and at Python's lock; and connections are counted where
they arrive, at the Redis server.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles
from typing import NamedTuple

import redis

from redis_pool_ext.embedded import EmbeddedRedis

from .child import Child
from .harness import RATIO, Effort, Result, Row, beaten, rotated, row, with_ratios
from .web.data import store
from .web.load import visit
from .web.rounds import workers
from .web.sites import FRAMEWORKS, NOTES, REASONS

__all__ = ["GETS", "NUMBER", "TITLE", "VISITORS", "measure"]

TITLE = "A request with 5 GETs over HTTP: waitress with 8 threads, 8 visitors at a time"

UNIT = {"request": "us", "p99": "ms", "opened": "", "anew": "", RATIO: "x"}

VISITORS = 8  # and as many threads
GETS = 5
NUMBER = 400  # requests in a round
THREADS = 50  # that live for one request


OPENED = (
    "`opened` counts the connections that the Redis server accepted from an application in the "
    f"whole run; `anew` those for {THREADS} more requests, each in a thread of its own, as in "
    "Django's development server. Django's RedisCache has a pool per thread, the others one per "
    "process."
)


class _Side:
    """One application behind its server, and how its rounds went."""

    def __init__(self, child: Child, admin: redis.Redis) -> None:
        self._child = child
        self._port = child.ask("serve", threads=VISITORS)
        self._admin = admin
        self.requests: list[float] = []  # seconds by the clock for each, all visitors together
        self.p99: list[float] = []
        self.opened: list[float] = []  # connections, so far
        self.anew = 0.0

    def round(self, number: int) -> None:
        before = self._connections()
        load = visit(self._port, f"/{GETS}", visitors=VISITORS, number=number)
        opened = self._connections() - before
        self.requests.append(load.seconds / len(load.waits))
        self.p99.append(quantiles(load.waits, n=100, method="inclusive")[98])
        self.opened.append(opened + (self.opened[-1] if self.opened else 0))

    def start_threads(self) -> None:
        before = self._connections()
        self._child.ask("run_in_threads", path=f"/{GETS}", number=THREADS)
        self.anew = self._connections() - before

    def forget_times(self) -> None:
        """Forget how the first round went, but not what it opened."""
        self.requests.clear()
        self.p99.clear()

    def _connections(self) -> int:
        return int(self._admin.info("stats")["total_connections_received"])


class _Found(NamedTuple):
    framework: str
    sides: dict[str, _Side]


def measure(effort: Effort) -> Result:
    """Measure both frameworks; returns a group of rows for each."""
    with EmbeddedRedis() as server, redis.Redis.from_url(server.url) as admin:
        store(server.url)
        found = []
        for framework, sites in FRAMEWORKS.items():
            with workers(framework.lower(), sites, server.url) as children:
                sides = {site: _Side(child, admin) for site, child in children.items()}
                _play(list(sides.values()), effort)
            found.append(_Found(framework, sides))
    rows = [each for framework, sides in found for each in _rows(framework, sides)]
    return Result(
        "serving",
        TITLE,
        UNIT,
        rows,
        remarks=[OPENED, *beaten(rows, "request", REASONS)],
        ratio_of="request",
    )


def _play(sides: Sequence[_Side], effort: Effort) -> None:
    number = effort.count(NUMBER)
    for side in sides:
        side.round(number)
        side.forget_times()
    for turn in range(effort.rounds):
        for side in rotated(sides, turn):
            side.round(number)
    for side in sides:
        side.start_threads()


def _rows(framework: str, sides: dict[str, _Side]) -> list[Row]:
    rows = [_row(site, side, framework) for site, side in sides.items()]
    return with_ratios(rows, "request")


def _row(site: str, side: _Side, framework: str) -> Row:
    rounds = {
        "request": side.requests,
        "p99": side.p99,
        "opened": side.opened,
        "anew": [side.anew],
    }
    made = row(site, rounds, UNIT, note=NOTES[site], group=f"{framework}, over HTTP")
    made.values["opened"] = side.opened[-1]  # in the whole run
    return made
