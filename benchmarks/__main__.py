"""Run the benchmarks, and write what they found.

python -m benchmarks                all of it: results.json, table.md, summary.md, the plots,
                                    and the figures that README.md and docs/ quote
python -m benchmarks --quick        does everything work? the figures mean little
python -m benchmarks cycle command  some of them
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from . import machine, plots, quoting, report
from .harness import FULL, QUICK, Effort, Result
from .summary import summary

__all__ = ["NAMES", "main"]

NAMES = (
    "cycle",
    "command",
    "tasks",
    "parts",
    "requests",
    "cached",
    "serving",
    "middleware",
    "refusals",
    "article",
    "contention",
    "growth",
    "memory",
    "spike",
    "blackhole",
    "overload",
    "disciplines",
    "fleet",
    "sizing",
)

# Ten minutes by itself: only where it is named.
ON_REQUEST = {"sizing"}

FOLDER = Path(__file__).parent / "results"

# Not for the repository: a run of some, or a quick one.
PARTIAL = FOLDER / "partial"


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return the exit status."""
    arguments = _parser().parse_args(argv)
    console = Console()
    if arguments.list:
        for name in _present():
            console.print(f"{name:12} {_module(name).TITLE}", highlight=False, soft_wrap=True)
        return 0
    folder = arguments.output or (PARTIAL if arguments.names or arguments.quick else FOLDER)
    if arguments.redraw:
        found = json.loads((folder / "results.json").read_text())
        _write([Result.from_dict(each) for each in found["results"]], found, folder, console)
        return 0
    return _run(arguments.names, QUICK if arguments.quick else FULL, folder, console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.split("\n")[0]
    )
    parser.add_argument("names", nargs="*", metavar="name", choices=[*_present(), []])
    parser.add_argument("--list", action="store_true", help="list them, and run none")
    parser.add_argument("--quick", action="store_true", help="a minute; shows that all works")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where to write")
    parser.add_argument(
        "--redraw", action="store_true", help="table and plots anew, from results.json"
    )
    return parser


def _present() -> list[str]:
    return [name for name in NAMES if find_spec(f"{__package__}.{name}") is not None]


def _module(name: str) -> Any:
    return import_module(f"{__package__}.{name}")


def _run(names: Sequence[str], effort: Effort, folder: Path, console: Console) -> int:
    # Pools that are full on purpose need not say so.
    logging.getLogger("redis_pool_ext").addHandler(logging.NullHandler())
    results, failed = [], []
    for name in names or [name for name in _present() if name not in ON_REQUEST]:
        module = _module(name)
        with console.status(module.TITLE):
            try:
                results.append(module.measure(effort))
            except Exception:  # the others' figures are not to be lost
                failed.append(name)
                traceback.print_exc()
        console.print(
            f"{'[red]failed[/]' if name in failed else 'done':8} {module.TITLE}", soft_wrap=True
        )
    about = {
        "command": " ".join(["python -m benchmarks", *(["--quick"] * (effort is QUICK)), *names]),
        "effort": effort._asdict(),
        "machine": machine.describe(),
        "failed": failed,
    }
    _write(results, about, folder, console)
    return 1 if failed else 0


def _write(results: list[Result], about: dict[str, Any], folder: Path, console: Console) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    about = {**about, "results": [result.as_dict() for result in results]}
    table = report.markdown(results, about["machine"], about["command"])
    (folder / "results.json").write_text(json.dumps(about, indent=1) + "\n")
    (folder / "table.md").write_text(table)
    (folder / "summary.md").write_text(summary(results))
    drawn = plots.draw(results, folder)
    console.print(Markdown(table))
    quoted = quoting.write(folder) if folder == FOLDER else ()
    for path in (folder / "results.json", folder / "table.md", *drawn, *quoted):
        console.print(path, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
