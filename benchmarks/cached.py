"""Django's cache: a view that `cache_page` has, and one that reads five values from the cache.

As `requests`: the WSGI application is called directly, each contender in a process of its own.
"""

from __future__ import annotations

from redis_pool_ext.embedded import EmbeddedRedis

from .harness import Effort, Result, beaten
from .web.data import store
from .web.rounds import in_turn
from .web.rows import UNIT, at_most_of_peers, rows_of
from .web.sites import BARE, NOTES, OUR_CACHE, REASONS

__all__ = ["NUMBERS", "PEER", "TITLE", "measure"]

TITLE = "Django's cache: a cached page, and five values; the WSGI application called directly"

# Requests in a round.
NUMBERS = {"/page": 60, "/5": 50}
GROUPS = {"/page": "A cached page", "/5": "5 values from the cache"}
MORE = 5  # times as many rounds as elsewhere, and short ones: next to each other in time

PEER = "Django's RedisCache"
SITES = (OUR_CACHE, "django-redis, cache", PEER)

# "Done when": at most so much of its time.
LIMIT = 0.6

_FLOOR = {
    **NOTES,
    BARE: "the floor: Django's LocMemCache, in the memory of the process",
}


def measure(effort: Effort) -> Result:
    """Measure both views; returns a group of rows for each."""
    effort = effort._replace(rounds=effort.rounds * MORE)
    numbers = {path: effort.count(number) for path, number in NUMBERS.items()}
    with EmbeddedRedis() as server:
        store(server.url)
        found = in_turn("django", SITES, server.url, numbers, effort)
        floor = in_turn("django", [BARE], server.url, {"/page": numbers["/page"]}, effort)
    found["/page"] |= floor["/page"]
    groups = {
        GROUPS[path]: rows_of(GROUPS[path], timings, _FLOOR) for path, timings in found.items()
    }
    rows = [each for rows in groups.values() for each in rows]
    return Result(
        "cached",
        TITLE,
        UNIT,
        rows,
        targets=[
            target
            for group, rows in groups.items()
            for target in at_most_of_peers(rows, [PEER], LIMIT, group)
        ],
        remarks=[
            "a cached page takes two GETs: one finds out which headers it depends on, one "
            "brings it; what remains is Django's own work, as the floor shows",
            *beaten(rows, "request", REASONS),
        ],
        ratio_of="request",
        highlights=list(GROUPS.values()),
    )
