"""One sub-command, from what was given to its exit status."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, Protocol, cast

from ..config import ConfigError
from ..pooling.unreached import told_otherwise
from ..problems import did_you_mean, shown
from .options import Options, Project
from .output import Output, UsageError, need_rich

__all__ = ["FORMAT", "Task", "run"]

# Of what `--json` prints; one more when a key changes its meaning.
FORMAT = 1

OK, WRONG, USAGE, INTERRUPTED = 0, 1, 2, 130


class Task(NamedTuple):
    """What is to be done."""

    project: Project
    options: Options
    output: Output


class Module(Protocol):
    """What each sub-command's module has."""

    gather: Callable[[Task], dict[str, Any]]
    is_fine: Callable[[dict[str, Any]], bool]
    show: Callable[[dict[str, Any], Task], None]


def run(name: str, project: Project, options: Options, output: Output | None = None) -> int:
    """Do it, and return the exit status: 0, 1 for what is wrong or down, 2 for wrong usage."""
    task = Task(project, options, output or Output())
    try:
        return _run(name, task)
    except (UsageError, ConfigError) as error:
        print(f"{project.prog} {name}: {error}", file=task.output.err)
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `| head` has seen enough
        _forget_output()
        return OK


def _run(name: str, task: Task) -> int:
    if not task.options.json:
        need_rich()
    _check_aliases(task)
    if name == "watch":
        from .watch import watch

        return OK if watch(task) else WRONG
    module = cast(Module, import_module(f"{__package__}.{name}"))
    with told_otherwise():
        data = {"command": name, "format": FORMAT, **module.gather(task)}
    if task.options.json:
        task.output.json(data)
    else:
        module.show(data, task)
    return OK if module.is_fine(data) else WRONG


def _check_aliases(task: Task) -> None:
    """Raise `UsageError` for an alias that the project has not; a plain program's are not known."""
    known = task.project.pools
    if known is None:
        return
    for alias in task.options.alias:
        if alias not in known:
            listed = ", ".join(sorted(known)) or "none"
            near = did_you_mean(alias, known)
            raise UsageError(f"--alias {shown(alias)}: no such pool; known are {listed}{near}")


def _forget_output() -> None:
    """Let the interpreter find nothing to flush, and complain about, at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
