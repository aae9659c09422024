"""`watch`: `stats` again and again; live in a terminal, else a line for each look."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any

from . import fleet
from .run import FORMAT, Task
from .series import rows_of
from .totals import groups_by_server, total_of
from .words import exhaustion
from .words import time as said

__all__ = ["SECONDS", "look", "watch"]

SECONDS = 180  # that are shown


def watch(task: Task) -> bool:
    """Look until `--count` or Ctrl-C; tell whether each process answered at the last look."""
    looks = count() if task.options.count is None else range(task.options.count)
    is_live = task.output.is_terminal and not task.options.json
    place = _live(task) if is_live else nullcontext(_printer(task))
    data: dict[str, Any] = {"silent": []}
    try:
        with place as show:
            for number in looks:
                if number:
                    time.sleep(task.options.interval)
                data = look(task)
                show(data)
    except KeyboardInterrupt:  # how one ends it
        return True
    return not data["silent"]


def look(task: Task) -> dict[str, Any]:
    """Return the sums, and the last minutes second by second."""
    answered, silent = fleet.split(fleet.ask(task, samples=SECONDS))
    now = time.time()
    return {
        "command": "watch",
        "format": FORMAT,
        "at": now,
        "processes": [each["process"] for each in answered],
        "silent": [{"pid": each["process"]["pid"], "error": each["error"]} for each in silent],
        "pools": [
            {**total_of(group), "rows": rows_of(group, now, SECONDS)}
            for group in groups_by_server(answered)
        ],
    }


def _printer(task: Task) -> Callable[[dict[str, Any]], None]:
    if task.options.json:
        return lambda data: task.output.json(data, in_one_line=True)
    return lambda data: task.output.line(_line(data, fleet.nobody_answers(task)))


def _line(data: dict[str, Any], nobody: str) -> str:
    """Say it all in one line, for a log."""
    pools = [_in_short(total) for total in data["pools"]]
    silent = [f"process {each['pid']} {each['error']}" for each in data["silent"]]
    moment = time.strftime("%H:%M:%S", time.localtime(data["at"]))
    return f"{moment} {' | '.join([*pools, *silent]) or nobody}"


def _in_short(total: dict[str, Any]) -> str:
    last = total["last_minute"]
    numbers = (
        f"{total['alias']}: in_use={total['in_use']} idle={total['idle']} "
        f"waiting={total['waiting']} max={total['max_connections']} "
        f"acquired={total['acquired']} refused={total['refused']} "
        f"wait_p99={said(last['waits_p99']).replace(' ', '')} processes={total['processes']}"
    )
    trouble = exhaustion(total).partition("; ")[2]
    return f"{numbers} ({trouble})" if trouble else numbers


def _live(task: Task) -> AbstractContextManager[Callable[[dict[str, Any]], None]]:
    from .watch_screen import live

    return live(task.output.console(), fleet.nobody_answers(task), leave=_leave_hint())


def _leave_hint() -> str:
    return "Ctrl-C ends" if sys.stdin is not None and sys.stdin.isatty() else ""
