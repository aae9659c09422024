"""Print the leak table: `python -m tests.leaks`."""

from __future__ import annotations

from collections.abc import Iterable

from .stories import STORIES
from .table import ROWS, Row

_HEAD = ("left behind", "by", "the next borrower sees, on redis-py", "our pool")


def lines() -> Iterable[str]:
    table = [_HEAD, *((row.name, row.how, row.sees, _ours(row)) for row in ROWS)]
    table += [(story.name, story.how, story.sees, story.means) for story in STORIES]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _ours(row: Row) -> str:
    return row.ours if " " not in row.ours else f"closed: {row.ours}"


if __name__ == "__main__":
    print("\n".join(lines()))
