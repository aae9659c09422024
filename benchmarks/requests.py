"""A request with 1, 5 and 20 GETs, in Django and in Flask, on each client.

The WSGI application is called directly, in a loop, in a process of its own per contender:
what is measured is the framework, the client and Redis over loopback, without a web server.
"""

from __future__ import annotations

from typing import NamedTuple

from redis_pool_ext.embedded import EmbeddedRedis

from .harness import Effort, Result, Row, Target, beaten
from .web.data import GETS, store
from .web.rounds import in_turn
from .web.rows import UNIT, at_most_of_peers, rows_of
from .web.sites import FRAMEWORKS, NOTES, REASONS

__all__ = ["NUMBERS", "TITLE", "measure"]

TITLE = "A request with 1, 5 and 20 GETs, over loopback; the WSGI application called directly"

# Requests in a round, by the GETs of each.
NUMBERS = {1: 100, 5: 50, 20: 20}
MORE = 5  # times as many rounds as elsewhere, and short ones: next to each other in time

# "Done when": at most so much of these peers' time, with so many GETs, in Django.
LIMIT, AT = 0.85, 5
PEERS = ("redis-py", "django-redis", "django-redis, cache")


class _Group(NamedTuple):
    framework: str
    gets: int

    @property
    def name(self) -> str:
        return f"{self.framework}, {self.gets} GET{'s' if self.gets > 1 else ''}"


def measure(effort: Effort) -> Result:
    """Measure both frameworks; returns a group of rows for each number of GETs."""
    effort = effort._replace(rounds=effort.rounds * MORE)
    numbers = {f"/{gets}": effort.count(NUMBERS[gets]) for gets in GETS}
    groups: dict[_Group, list[Row]] = {}
    with EmbeddedRedis() as server:
        store(server.url)
        for framework, sites in FRAMEWORKS.items():
            found = in_turn(framework.lower(), sites, server.url, numbers, effort)
            for gets in GETS:
                group = _Group(framework, gets)
                groups[group] = rows_of(group.name, found[f"/{gets}"], NOTES)
    rows = [each for rows in groups.values() for each in rows]
    return Result(
        "requests",
        TITLE,
        UNIT,
        rows,
        targets=_targets(groups[_Group("Django", AT)]),
        remarks=beaten(rows, "request", REASONS),
        ratio_of="request",
        highlights=[_Group(framework, AT).name for framework in FRAMEWORKS],
    )


def _targets(rows: list[Row]) -> list[Target]:
    return at_most_of_peers(rows, PEERS, LIMIT, f"a Django request with {AT} GETs")
