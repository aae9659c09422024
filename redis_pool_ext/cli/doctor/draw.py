"""The findings for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .findings import ERROR, LEVELS, NOTE, OK, WARNING

__all__ = ["draw"]

_STYLES = {OK: "green", NOTE: "cyan", WARNING: "yellow", ERROR: "bold red"}
_LABEL = 9  # columns


def draw(data: dict[str, Any], console: Console) -> None:
    """Print what was found, what it is about first."""
    about: object = ()
    for finding in data["findings"]:
        if finding["about"] != about:
            about = finding["about"]
            console.print(Text(f"\n{about or 'all processes'}", style="bold"))
        console.print(_line(finding))
        if finding["way_out"]:
            console.print(Padding(Text(f"-> {finding['way_out']}"), (0, 0, 0, _LABEL)))
    counts = data["counts"]
    said = ", ".join(_counted(counts[level], level) for level in reversed(LEVELS) if counts[level])
    console.print(Text(f"\n{said or 'nothing was found'}"))


def _counted(number: int, level: str) -> str:
    return f"{number} {level}{'s' if number > 1 and level != OK else ''}"


def _line(finding: dict[str, Any]) -> Table:
    """Return a line that goes on under its words, not under its label."""
    grid = Table.grid(padding=0)
    grid.add_column(width=_LABEL)
    grid.add_column(overflow="fold")
    label = Text(finding["level"], style=_STYLES[finding["level"]])
    grid.add_row(label, Text(f"{finding['check']}: {finding['text']}"))
    return grid
