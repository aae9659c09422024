"""Did everything happen as it should, and do the numbers agree with each other?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from .burst import Burst
from .compare import COMMANDS, POOL, ROUNDS, Result

__all__ = ["Check", "checks", "complaints", "count_complaints"]

EARLY = 0.05  # seconds: the clock of a wait starts a moment after that of its deadline


class Check(NamedTuple):
    """One number from outside, the same from inside, and whether they fit."""

    what: str
    seen: str
    counted: str
    agrees: bool


def checks(burst: Burst) -> list[Check]:
    """Hold what the visitors saw against what the pool counted."""
    statuses = Counter(reply.status for reply in burst.replies)
    worst = max((reply.seconds for reply in burst.replies if reply.status == 503), default=0.0)
    acquired, timed_out, waited = (
        getattr(burst.after, name) - getattr(burst.before, name)
        for name in ("acquired", "timed_out", "waited")
    )
    longest, out = burst.after.wait_seconds_max, burst.after.in_use
    late = sum(wave.size for wave in burst.waves[1:])
    fits = burst.timeout - EARLY <= longest <= worst
    queued = statuses[503] <= waited <= statuses.total()
    return [
        Check(
            "served", f"{statuses[200]} x 200", f"acquired {acquired}", statuses[200] == acquired
        ),
        Check(
            "refused",
            f"{statuses[503]} x 503",
            f"timed_out {timed_out}",
            statuses[503] == timed_out,
        ),
        Check("queued", f"{late} came to a full pool", f"waited {waited}", queued),
        Check("longest wait", f"{worst:.3f} s to a 503", f"wait_seconds_max {longest:.3f}", fits),
        Check("still out", "all pages are done", f"in_use {out}", out == 0),
    ]


def complaints(burst: Burst) -> Iterator[str]:
    """Say what did not happen as it should in the burst; nothing if all did."""
    statuses = Counter(reply.status for reply in burst.replies)
    if not statuses[503]:
        yield "Nobody was answered 503, although the burst was larger than the pool."
    if not statuses[200]:
        yield "Nobody was answered 200."
    for status in statuses.keys() - {200, 503}:
        yield f"{statuses[status]} visitors were answered {status}."
    if any(reply.status == 503 and not reply.retry_after for reply in burst.replies):
        yield "A 503 came without Retry-After."
    for check in checks(burst):
        if not check.agrees:
            yield f"The numbers do not agree ({check.what}): {check.seen}, but {check.counted}."


def count_complaints(without: Result, pooled: Result) -> Iterator[str]:
    """Say what is wrong with the connections counted on a server that is ours alone."""
    if without.connections < COMMANDS * ROUNDS:
        yield f"{COMMANDS * ROUNDS} new connections opened only {without.connections}."
    if pooled.connections > POOL:
        yield f"A pool of {POOL} opened {pooled.connections} connections."
