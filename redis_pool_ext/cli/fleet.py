"""The processes that serve a project, each as it answers at its desk."""

from __future__ import annotations

import os
from typing import Any

from ..status import ask_processes
from ..status.folder import VARIABLE, folder
from ..status.projects import identity_of
from .run import Task

__all__ = ["ask", "nobody_answers", "split"]

Report = dict[str, Any]


def ask(task: Task, *, samples: int = 0, timeout: float | None = None) -> list[Report]:
    """Return the reports of the project's processes, with the pools that were asked for.

    Those that do not answer are among them: whose they are cannot be known. A plain program
    gets all of this user's processes.
    """
    options = task.options
    reports = ask_processes(
        samples=samples,
        target=options.target,
        timeout=options.timeout if timeout is None else timeout,
        this_one=False,
    )
    return [_of_aliases(each, options.alias) for each in reports if _is_ours(each, task)]


def split(reports: list[Report]) -> tuple[list[Report], list[Report]]:
    """Return those that answered, and those that did not."""
    return [r for r in reports if "error" not in r], [r for r in reports if "error" in r]


def nobody_answers(task: Task) -> str:
    """Say why there may be nothing to see."""
    if folder() is None:
        value = os.environ.get(VARIABLE, "")
        return f"no process can answer: {VARIABLE} is {value!r} here"
    whose = "" if task.project.pools is None or task.options.all else " of this project"
    return (
        f"no process{whose} answers (each does from its first connection on; looked in {folder()})"
    )


def _is_ours(report: Report, task: Task) -> bool:
    pools = task.project.pools
    if pools is None or task.options.all or "error" in report:
        return True
    return identity_of(pools) in report["process"]["projects"]


def _of_aliases(report: Report, aliases: tuple[str, ...]) -> Report:
    if not aliases:
        return report
    return {**report, "pools": [pool for pool in report["pools"] if pool["alias"] in aliases]}
