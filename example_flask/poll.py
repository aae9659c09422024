"""The poll: votes, the leaderboard, the limit. Takes a redis client, knows no framework.

The braces in the key names keep all of them on one node of a Redis Cluster, so that the
transactions below work there, too.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

import redis

VOTES = "{poll}:votes"  # sorted set: talk -> votes
TOTAL = "{poll}:total"  # counter: all votes
LATEST = "{poll}:latest"  # list: the last few votes, newest first
TRIES = "{poll}:tries:%s"  # counter per visitor, gone after WINDOW seconds
COUNT = "{poll}:count"  # the last count that was written down
BOARD = "{poll}:board"  # in the cache: the leaderboard, for a second
NEVER = "{poll}:never"  # nobody ever writes this one; see slow_report()

LIMIT, WINDOW = 5, 10  # votes per visitor, in so many seconds
SHOWN = 3  # latest votes on the page


class Talk(NamedTuple):
    """One choice on the ballot."""

    slug: str
    title: str
    about: str


TALKS = (
    Talk("small-tools", "Small tools, long lives", "A hundred lines, still useful in year twenty."),
    Talk("good-queue", "The shape of a good queue", "Fairness, patience, and when to say no."),
    Talk("night-shift", "What the night shift knows", "Lessons found in logs at three o'clock."),
    Talk("moving-maps", "Maps of things that move", "Drawing buses, glaciers and rumours."),
    Talk("plain-words", "Plain words for hard problems", "Error messages that people are glad of."),
)
TITLES = {talk.slug: talk.title for talk in TALKS}


def vote(client: redis.Redis, slug: str, name: str = "") -> None:
    """Count one vote for the talk `slug`, which is one of `TITLES`."""
    # One transaction: the leaderboard and the total never disagree, not even for a moment.
    with client.pipeline(transaction=True) as pipe:
        pipe.zincrby(VOTES, 1, slug)
        pipe.incr(TOTAL)
        pipe.lpush(LATEST, json.dumps({"name": name or "Someone", "talk": TITLES[slug]}))
        pipe.ltrim(LATEST, 0, SHOWN - 1)
        pipe.execute()


def board(client: redis.Redis) -> dict[str, Any]:
    """Return the leaderboard, the total and the latest votes: one round trip."""
    with client.pipeline(transaction=True) as pipe:
        pipe.zrange(VOTES, 0, -1, desc=True, withscores=True)
        pipe.get(TOTAL)
        pipe.lrange(LATEST, 0, SHOWN - 1)
        scores, total, latest = pipe.execute()
    votes = {slug: int(score) for slug, score in scores}
    return {
        "total": int(total or 0),
        "talks": _ranked(votes),
        "latest": [json.loads(entry) for entry in latest],
    }


def votes(client: redis.Redis) -> int:
    """Return how many votes there are; 0 also where a client that may do without has no answer."""
    return int(client.get(TOTAL) or 0)


def write_down(client: redis.Redis, board: dict[str, Any]) -> dict[str, Any]:
    """Keep who leads on `board`, and when that was; return it."""
    first = board["talks"][0]
    now = datetime.now(UTC).strftime("%H:%M")
    count = {"leader": first["title"], "votes": first["votes"], "total": board["total"], "at": now}
    client.set(COUNT, json.dumps(count))
    return count


def last_count(client: redis.Redis) -> dict[str, Any] | None:
    """Return what `write_down` has kept; None if that is nothing, or nobody can tell."""
    kept = client.get(COUNT)
    return json.loads(kept) if kept else None


def seconds_to_wait(client: redis.Redis, visitor: str) -> int:
    """Count one try of `visitor`; return 0 if it is welcome, else when the next one is."""
    key = TRIES % visitor
    # INCR and then EXPIRE would leave a counter that never ends, should the program die
    # between the two. SET with NX and EX starts the window once, end included.
    with client.pipeline(transaction=True) as pipe:
        pipe.set(key, 0, ex=WINDOW, nx=True)
        pipe.incr(key)
        pipe.ttl(key)
        _started, tries, seconds_left = pipe.execute()
    return 0 if tries <= LIMIT else max(seconds_left, 1)


def slow_report(client: redis.Redis, seconds: int) -> dict[str, Any]:
    """Take `seconds` over a report, holding the client's connection all the while."""
    # BLPOP waits on the server for an item that never comes. In slices of a second, so
    # that no socket_timeout takes the silence for a dead server.
    for _ in range(seconds):
        client.blpop([NEVER], timeout=1)
    return board(client)


def report_seconds(text: str | None) -> int:
    """Read the length of a slow report: 1 to 10 seconds, 3 if it makes no sense."""
    try:
        return min(max(int(text or 3), 1), 10)
    except ValueError:
        return 3


def clean_name(text: str) -> str:
    """Return a visitor's name as it may stand on the page: one line, not too long."""
    return " ".join(text.split())[:24]


def _ranked(votes: dict[str, int]) -> list[dict[str, Any]]:
    # sorted() keeps the ballot's order among equals; equals share a rank.
    talks = sorted(TALKS, key=lambda talk: -votes.get(talk.slug, 0))
    counts = [votes.get(talk.slug, 0) for talk in talks]
    most = max(counts[0], 1)
    return [
        {
            "slug": talk.slug,
            "title": talk.title,
            "votes": count,
            "rank": counts.index(count) + 1,
            "width": round(100 * count / most),  # of its bar, in percent of the longest
        }
        for talk, count in zip(talks, counts, strict=True)
    ]
