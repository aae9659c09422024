"""The measured figures that a page quotes, and `benchmarks/results/table.md`, where they are from.

A table that is quoted stands behind a comment that names its section there, and some of its
columns: `<!-- table.md: Contention -->`. Of each cell the median is quoted.
"""

from __future__ import annotations

import re
from pathlib import Path

from .pages import ROOT

__all__ = ["quoted", "wrong_figures"]

RESULTS = ROOT / "benchmarks" / "results" / "table.md"
QUOTED = re.compile(r"^<!-- table\.md: (.+?) -->\n((?:\|.*\n)+)", re.MULTILINE)
Table = list[list[str]]


def quoted(page: Path) -> list[tuple[str, Table]]:
    """Return the tables that a page quotes, each with the beginning of its section's title."""
    return [(title, _table(lines)) for title, lines in QUOTED.findall(page.read_text())]


def wrong_figures(page: Path) -> list[str]:
    """Return each cell that is not as measured."""
    return [
        f"{row[0]}, {column}: {cell}, measured: {measured}"
        for title, (head, *rows) in quoted(page)
        for row in rows
        for column, cell in zip(head[1:], row[1:], strict=True)
        if cell not in (measured := _measured(title, head[0], row[0], column))
    ]


def _measured(title: str, first: str, name: str, column: str) -> list[str]:
    """Return the medians that the section has for it: one, or several where tables are alike."""
    section = re.search(rf"^## {re.escape(title)}.*?(?=^## |\Z)", RESULTS.read_text(), re.M | re.S)
    assert section, f"table.md has no section {title!r}"
    tables = [_table(lines) for lines in re.findall(r"((?:^\|.*\n)+)", section[0], re.MULTILINE)]
    return [
        row[head.index(column)].partition(" [")[0]
        for head, *rows in tables
        if head[0] == first and column in head
        for row in rows
        if row[0] == name
    ]


def _table(lines: str) -> Table:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()]
    return [row for row in rows if set("".join(row)) - set("-: ")]
