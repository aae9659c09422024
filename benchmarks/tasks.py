"""One GET by a task over loopback, a whole lease, and a crowd of tasks on ten connections."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import median

from .harness import (
    Contender,
    Effort,
    Result,
    Row,
    Target,
    beaten,
    paired,
    timed_rows,
    with_ratios,
)
from .one_key import KEPT_FOR_NONE, NO_ACCOUNT, serving_key
from .one_loop import hosted
from .pools import SMALLEST
from .task_clients import (
    BARE,
    BARE_UNTIMED,
    GLIDE,
    ONE_FOR_ALL,
    OURS,
    PINNED,
    POOLED,
    absent,
    clients,
    requests,
)
from .task_crowd import BLOCKING, CONNECTIONS, HOLD, TASKS, rows_of_crowds

__all__ = ["TITLE", "measure"]

TITLE = "Tasks: one GET, a whole lease, and a crowd, with asyncio over loopback"

GET = "GET, asyncio, loopback"
REQUEST = "client + GET + return, asyncio, loopback"
CROWD = f"{TASKS} tasks, {CONNECTIONS} connections"

UNIT = {
    "wall": "us",
    "throughput": "1/s",
    "p50": "ms",
    "p99": "ms",
    "worst": "ms",
    "least/most": "",
    "cpu": "us",
    "ratio": "x",
}

REASONS = {
    BARE: "the floor: it packs, writes, reads and parses, and knows no errors, no retries, no "
    "reply callbacks and no other commands",
    BARE_UNTIMED: "the floor of a client that waits for ever: it takes no time of any reply",
    PINNED: NO_ACCOUNT,
    ONE_FOR_ALL: KEPT_FOR_NONE,
    GLIDE: "sockets, packing and parsing are Rust, in threads of its own; the loop is woken "
    "with the reply",
    SMALLEST: "the floor: what a fair queue of tasks costs when nobody has a deadline, nothing is "
    "counted and no connection is looked at",
    BLOCKING: "whoever runs takes what is free, out of turn. Those who sleep pay for it",
}


def measure(effort: Effort) -> Result:
    """Measure the three, all in one event loop."""
    with serving_key() as options, asyncio.Runner() as runner:
        rows = [
            *_rows(GET, [hosted(runner, each) for each in clients(options)], effort, 1_000),
            *_rows(REQUEST, [hosted(runner, each) for each in requests(options)], effort, 500),
            *rows_of_crowds(runner, options, effort, unit=UNIT, group=CROWD),
        ]
    return Result(
        "tasks",
        TITLE,
        UNIT,
        rows,
        targets=_targets(rows),
        remarks=_remarks(rows, effort),
        ratio_of="cpu",
        highlights=[GET, REQUEST],
    )


def _rows(group: str, contenders: Sequence[Contender], effort: Effort, number: int) -> list[Row]:
    return with_ratios(timed_rows(contenders, effort, number, UNIT, group=group), "cpu")


def _targets(rows: Sequence[Row]) -> list[Target]:
    by_name = {each.name: each for each in rows if each.group == GET}
    return [
        Target.at_least(
            "an async GET on the leased client against redis.asyncio's pooled client, CPU: at "
            "least 1.4 times",
            median(paired(by_name[POOLED], by_name[OURS], "cpu")),
            1.4,
        )
    ]


def _remarks(rows: Sequence[Row], effort: Effort) -> list[str]:
    return [
        "cpu: of the whole process, with the threads that a client has of its own; the server is "
        "another process",
        f"{CROWD}: each crowd loops for {effort.seconds:g} s; a wait that lasts for the whole of "
        "it can hardly be told from one without end",
        f"who sleeps for {HOLD * 1e3:g} ms sleeps for more: on Linux a loop rounds up to whole "
        "milliseconds, for all of them",
        *(f"{name}: not installed here, and so not in the table" for name in absent()),
        *beaten(rows, "cpu", REASONS),
        *beaten(rows, "wall", REASONS),
        *beaten(rows, "p99", REASONS),
        *beaten(rows, "worst", REASONS),
        *beaten(rows, "throughput", REASONS, more_is_better=True),
    ]
