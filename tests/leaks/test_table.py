"""The leak table as a text for people."""

from __future__ import annotations

from .__main__ import lines
from .stories import STORIES
from .table import ROWS


def test_table_prints_a_line_per_row():
    """Every row and every story is told, under one heading."""
    printed = list(lines())

    assert len(printed) == 1 + len(ROWS) + len(STORIES)
    assert all(
        line.startswith(entry.name)
        for line, entry in zip(printed[1:], [*ROWS, *STORIES], strict=True)
    )


def test_no_two_rows_have_the_same_name():
    """A name is how a failure is found in the table."""
    names = [entry.name for entry in (*ROWS, *STORIES)]

    assert len(set(names)) == len(names)
