"""All of the examination: the processes, then the servers, within one time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ...config import PoolConfig
from ...deadline import Deadline
from .. import fleet
from ..run import Task
from ..servers import configs_of
from .facts import facts_of
from .findings import ERROR, LEVELS, NOTE, Finding
from .need import needs_of
from .of_pools import findings_in
from .of_servers import findings_about

__all__ = ["gather", "is_fine", "show"]

_FOR_PROCESSES = 0.25  # of the whole time


def gather(task: Task) -> dict[str, Any]:
    """Look at everything, for `--timeout` seconds at most; return the findings."""
    deadline = Deadline(task.options.timeout)
    reports = fleet.ask(task, timeout=task.options.timeout * _FOR_PROCESSES)
    answered, silent = fleet.split(reports)
    findings = [
        *_of_servers(task, answered, deadline),
        *findings_in(answered, silent, fleet.nobody_answers(task)),
    ]
    counts = {level: sum(each.level == level for each in findings) for level in LEVELS}
    return {"counts": counts, "findings": [each.as_dict() for each in findings]}


def is_fine(data: dict[str, Any]) -> bool:
    """Tell whether there is no error among the findings."""
    return not data["counts"][ERROR]


def show(data: dict[str, Any], task: Task) -> None:
    """Print the findings."""
    from .draw import draw

    draw(data, task.output.console())


def _of_servers(task: Task, answered: list[Any], deadline: Deadline) -> list[Finding]:
    configs = _configs(task)
    if not configs:
        text = "no server was looked at: give one as --url redis://localhost:6379/0"
        return [Finding(check="reachable", level=NOTE, about=None, text=text)]
    needs = needs_of(configs, answered, task.options.workers, task.project.uses)
    with ThreadPoolExecutor(len(needs)) as threads:
        looked = threads.map(lambda need: facts_of(need, deadline), needs)
        return [finding for each in looked for facts in each for finding in findings_about(facts)]


def _configs(task: Task) -> dict[str, PoolConfig]:
    """Return the settings to dial with; a plain program may be asked without any."""
    if task.project.pools is None and task.options.url is None:
        return {}
    return configs_of(task)
