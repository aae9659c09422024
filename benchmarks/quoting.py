"""Figures that pages quote: a run of everything writes them there, and nobody by hand.

A table stands behind a comment that names its section in `results/table.md`. Which rows and
columns it has is the page's choice; each cell is the median:

- `<!-- table.md: Contention -->`: rows of one group, whose name is the heading of the first column;
- `<!-- table.md, by group: Overload -->`: rows of several. The first column names the group, where
  it is another one than in the row above; the second names the row.

The summary, in the README, stands between two comments, and is taken whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["quotes", "requoted", "write"]

ROOT = Path(__file__).parent.parent

_QUOTE = re.compile(
    r"^(?P<comment><!-- table\.md(?P<by_group>, by group)?: (?P<title>.+?) -->\n)"
    r"(?P<lines>(?:\|.*\n)+)",
    re.MULTILINE,
)
_SUMMARY = re.compile(
    r"(^<!-- benchmarks/results/summary\.md -->\n).*?(^<!-- end -->$)", re.MULTILINE | re.DOTALL
)
_Table = list[list[str]]


def quotes(text: str) -> list[str]:
    """Return the sections that a page quotes, in its order."""
    return [found["title"] for found in _QUOTE.finditer(text)]


def requoted(text: str, results: Path) -> str:
    """Return a page with the figures of these results.

    Raises `ValueError` for a section, row or column that is not there, or is not the only one.
    """
    table = (results / "table.md").read_text()
    summary = (results / "summary.md").read_text()
    text = _QUOTE.sub(lambda found: _filled(found, _section(table, found["title"])), text)
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


def _filled(found: re.Match[str], tables: list[_Table]) -> str:
    """Return a quote, comment and all, with the figures of these tables."""
    head, rule, *rows = _cells(found["lines"])
    names = 2 if found["by_group"] else 1  # columns that are no figures
    group = head[0]
    for row in rows:
        if found["by_group"]:
            group = row[0] or group
        row[names:] = [_median(tables, group, row[names - 1], column) for column in head[names:]]
    return found["comment"] + "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *rows))


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
