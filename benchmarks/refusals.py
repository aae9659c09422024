"""What a 503 adds to a request, in Django and in Flask, by why and to whom."""

from __future__ import annotations

from itertools import product

from redis_pool_ext.embedded import EmbeddedRedis

from .child import Child
from .harness import Effort, Result, Row, Target, rotated, row
from .web.refusing import ACCEPTS, KINDS, SIZES, WORKER, alias_of

__all__ = ["LIMIT", "TITLE", "measure"]

TITLE = "What a 503 adds to a request, in CPU time; the WSGI application called directly"

UNIT = {**dict.fromkeys(ACCEPTS, "us"), "request": "us"}

NUMBER = 200  # requests in a round

# "Done when", in microseconds.
LIMIT = 100.0

NOTES = {
    "queue full": "`max_waiting` callers are queued already",
    "timed out": "with `timeout=0`",
    "circuit open": "Redis is down, and nobody dials just now",
    "pool closed": "the request had its client before",
}

# A path of the application, and who asks for it.
_Question = tuple[str, str]


def measure(effort: Effort) -> Result:
    """Measure a refused request, and one that needs no Redis, in turn; take off the second."""
    rows: list[Row] = []
    targets = []
    with EmbeddedRedis() as server:
        for framework in ("Django", "Flask"):
            with Child(WORKER, framework.lower(), server.url) as child:
                found = _ask(child, effort)
            ours = [_row(framework, kind, size, found) for size, kind in product(SIZES, KINDS)]
            rows += ours
            targets.append(_target(framework, ours))
    return Result(
        "refusals", TITLE, UNIT, rows, targets, highlights=[f"Django, {SIZES[0]} connections"]
    )


def _ask(child: Child, effort: Effort) -> dict[_Question, list[float]]:
    """Return the CPU seconds per request of each question, one per round."""
    aliases = [alias_of(kind, size) for kind, size in product(KINDS, SIZES)]
    questions = list(product(["/plain", *[f"/{alias}" for alias in aliases]], ACCEPTS))
    found: dict[_Question, list[float]] = {question: [] for question in questions}
    number = effort.count(NUMBER)
    for turn in range(-1, effort.rounds):  # the first is to warm up
        for path, client in rotated(questions, max(turn, 0)):
            seconds = child.ask("run", path=path, accept=ACCEPTS[client], number=number)
            if turn >= 0:
                found[path, client].append(seconds)
    return found


def _row(framework: str, kind: str, size: int, found: dict[_Question, list[float]]) -> Row:
    path = f"/{alias_of(kind, size)}"
    added = {
        client: [
            one - other
            for one, other in zip(found[path, client], found["/plain", client], strict=True)
        ]
        for client in ACCEPTS
    }
    request = {"request": found[path, "HTML"]}
    group = f"{framework}, {size} connections"
    return row(kind, added | request, UNIT, note=NOTES[kind], group=group)


def _target(framework: str, rows: list[Row]) -> Target:
    most = max(each.values[client] for each in rows for client in ACCEPTS)
    return Target.at_most(
        f"{framework}: what a 503 adds to a request, at most {LIMIT:g} us; the dearest of them",
        most,
        LIMIT,
    )
