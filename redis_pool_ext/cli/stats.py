"""`stats`: how full the pools of each process are, and who holds their connections."""

from __future__ import annotations

import time
from typing import Any

from . import fleet
from .run import Task
from .totals import totals_of

__all__ = ["gather", "is_fine", "show"]


def gather(task: Task) -> dict[str, Any]:
    """Return what the processes answer, and their sum."""
    reports = fleet.ask(task)
    answered, silent = fleet.split(reports)
    return {
        "at": time.time(),
        "processes": answered,
        "silent": [{"pid": each["process"]["pid"], "error": each["error"]} for each in silent],
        "pools": totals_of(answered),
    }


def is_fine(data: dict[str, Any]) -> bool:
    """Tell whether each process has answered."""
    return not data["silent"]


def show(data: dict[str, Any], task: Task) -> None:
    """Draw the tables."""
    from .stats_tables import draw

    draw(data, task.output.console(), fleet.nobody_answers(task))
