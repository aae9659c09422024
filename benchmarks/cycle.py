"""What a pool adds to each use of a connection: taking one and giving it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import repeat

from .harness import Contender, Effort, Result, Run, Target, beaten, timed_rows, with_ratios
from .pools import KINDS, SMALLEST, Kind

__all__ = ["TITLE", "measure"]

TITLE = "Pool cycle: get_connection + release, stub connections, nobody waits"

UNIT = {"wall": "us", "cpu": "us", "ratio": "x"}

REASONS = {
    SMALLEST: "it hands over and does nothing else: no deadline, no counters, no word on who "
    "holds what since when, no look at what comes back, no second release refused",
    "psycopg_pool": "it looks at a connection on return only where its driver says that "
    "a transaction is open, and keeps no account of who holds what",
}


def measure(effort: Effort) -> Result:
    """Take and return one of ten idle connections, again and again."""
    contenders = [
        Contender(kind.name, partial(taking_turns, kind, 10), kind.note) for kind in KINDS.values()
    ]
    rows = with_ratios(timed_rows(contenders, effort, 20_000, UNIT), "wall")
    blocking = next(each for each in rows if each.name == "redis-py blocking")
    text = "get_connection + release against redis-py's BlockingConnectionPool: at least 8 times"
    return Result(
        "cycle",
        TITLE,
        UNIT,
        rows,
        targets=[Target.at_least(text, blocking.values["ratio"], 8.0)],
        remarks=beaten(rows, "wall", REASONS),
        ratio_of="wall",
    )


@contextmanager
def taking_turns(kind: Kind, size: int) -> Iterator[Run]:
    """Give a run that takes one of `size` idle connections, and returns it."""
    with kind.open(size) as pool:
        get, put = pool.get, pool.put

        def run(number: int) -> None:
            for _ in repeat(None, number):
                put(get())

        yield run
