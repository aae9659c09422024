"""Figures that pages quote: a run of everything writes them there, and nobody by hand.

A table stands behind a comment that names its section in `results/table.md`. Which rows and
columns it has is the page's choice; each cell is the median: `<!-- table.md: Contention -->`.
The summary, in the README, stands between two comments, and is taken whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["quotes", "requoted", "write"]

ROOT = Path(__file__).parent.parent

_QUOTE = re.compile(r"^(<!-- table\.md: (.+?) -->\n)((?:\|.*\n)+)", re.MULTILINE)
_SUMMARY = re.compile(
    r"(^<!-- benchmarks/results/summary\.md -->\n).*?(^<!-- end -->$)", re.MULTILINE | re.DOTALL
)
_Table = list[list[str]]


def quotes(text: str) -> list[str]:
    """Return the sections that a page quotes, in its order."""
    return [title for _, title, _ in _QUOTE.findall(text)]


def requoted(text: str, results: Path) -> str:
    """Return a page with the figures of these results.

    Raises `ValueError` for a section, row or column that is not there, or is not the only one.
    """
    table = (results / "table.md").read_text()
    summary = (results / "summary.md").read_text()
    text = _QUOTE.sub(lambda found: found[1] + _quote(found[3], _section(table, found[2])), text)
    return _SUMMARY.sub(lambda found: found[1] + summary + found[2], text)


def write(results: Path) -> Iterator[Path]:
    """Write the figures of these results into the pages, and yield those that changed."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        before = page.read_text()
        after = requoted(before, results)
        if after != before:
            page.write_text(after)
            yield page


def _section(table: str, title: str) -> list[_Table]:
    """Return the tables of the one section whose title begins so."""
    found = re.findall(rf"^## {re.escape(title)}.*?(?=^## |\Z)", table, re.MULTILINE | re.DOTALL)
    if len(found) != 1:
        raise ValueError(f"{len(found)} sections of table.md are called {title!r}")
    return [_cells(lines) for lines in re.findall(r"(?:^\|.*\n)+", found[0], re.MULTILINE)]


def _quote(lines: str, tables: list[_Table]) -> str:
    head, rule, *rows = _cells(lines)
    figures = [[row[0], *(_median(tables, head[0], row[0], name) for name in head[1:])]
               for row in rows]  # fmt: skip
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *figures))


def _median(tables: list[_Table], group: str, name: str, column: str) -> str:
    found = [
        row[head.index(column)].partition(" [")[0]
        for head, _, *rows in tables
        if head[0] == group and column in head
        for row in rows
        if row[0] == name
    ]
    if len(found) != 1:
        raise ValueError(f"{len(found)} figures for {name!r}, {column!r} in a table of {group!r}")
    return found[0]


def _cells(lines: str) -> _Table:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()]
