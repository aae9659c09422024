"""What ours costs a request that does not use Redis, in Django and in Flask."""

from __future__ import annotations

from redis_pool_ext.embedded import EmbeddedRedis

from .harness import Effort, Result, Row, Target, Timing, row
from .web.rounds import in_turn
from .web.sites import BARE, OURS

__all__ = ["NUMBER", "TITLE", "measure"]

TITLE = "A request without Redis: what the middleware costs; the WSGI application called directly"

UNIT = {"request": "us", "CPU": "us", "cost": "us"}

NUMBER = 300  # requests in a round
MORE = 7  # times as many rounds as elsewhere: this is a small difference of large figures

NOTES = {
    OURS: "Django: the app and its middleware; Flask: FlaskRedisPool(app)",
    BARE: "the framework alone",
}

# "Done when", in microseconds.
LIMIT = 5.0


def measure(effort: Effort) -> Result:
    """Measure the same request with and without, in turn; the cost is the difference."""
    effort = effort._replace(rounds=effort.rounds * MORE)
    numbers = {"/0": effort.count(NUMBER)}
    rows = []
    with EmbeddedRedis() as server:  # nobody connects there
        for framework in ("Django", "Flask"):
            found = in_turn(framework.lower(), [OURS, BARE], server.url, numbers, effort)
            rows += _rows(framework, found["/0"])
    return Result("middleware", TITLE, UNIT, rows, _targets(rows))


def _rows(framework: str, found: dict[str, Timing]) -> list[Row]:
    bare = found[BARE].wall
    return [
        row(
            site,
            {
                "request": timing.wall,
                "CPU": timing.cpu,
                "cost": [one - other for one, other in zip(timing.wall, bare, strict=True)],
            },
            UNIT,
            note=NOTES[site],
            group=f"{framework}, no GET",
        )
        for site, timing in found.items()
    ]


def _targets(rows: list[Row]) -> list[Target]:
    return [
        Target.at_most(
            f"{each.group}: what ours costs, at most {LIMIT:g} us", each.values["cost"], LIMIT
        )
        for each in rows
        if each.name == OURS
    ]
