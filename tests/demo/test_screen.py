"""What moves and what is printed, on a terminal and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from redis_pool_ext.demo import progress, tables
from redis_pool_ext.demo.burst import Burst
from redis_pool_ext.demo.compare import COMMANDS, ROUNDS, Result, Side

from .test_verdict import burst, stats


def console(*, terminal: bool, width: int = 80) -> Console:
    """Return a console that keeps what it prints."""
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, legacy_windows=False)


def printed(screen: Console) -> str:
    """Return what the console has printed."""
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def sides() -> tuple[Side, Side]:
    """Return two sides that have done nothing yet."""
    return Side("anew", lambda _command: None), Side("pooled", lambda _command: None)


def move(screen: Console, result: Burst) -> None:
    """Let everything move once."""
    with progress.comparing(screen) as compared:
        compared(*sides())
    with progress.bursting(screen) as seen:
        seen(result.after, result.waves)
    with progress.gauge(screen) as gauged:
        gauged(stats(in_use=1, waiting=3, timed_out=7))


def test_terminal_shows_how_full_the_pool_is() -> None:
    """The bars count answers, and connections in use."""
    screen = console(terminal=True)
    move(screen, burst(in_use=2))
    assert f"0/{COMMANDS * ROUNDS}" in printed(screen)
    assert "2/2" in printed(screen)
    assert "3 waiting, 7 refused so far" in printed(screen)


def test_log_gets_nothing_that_moves() -> None:
    """Where nobody looks, no bar is printed, not even once."""
    screen = console(terminal=False)
    move(screen, burst())
    assert printed(screen) == ""


def test_tables_fit_the_usual_terminal() -> None:
    """80 columns are enough for every cell, so no row breaks."""
    screen = console(terminal=False)
    ratio = tables.comparison_table(Result((0.8,), 2400), Result((0.05,), 4))
    for table in (ratio, tables.burst_table(burst()), tables.checks_table(burst())):
        screen.print(table)
    assert "│ a connection each │" in printed(screen)
    assert max(map(len, printed(screen).splitlines())) <= 78


def test_ratio_is_against_the_way_without_a_pool() -> None:
    """16 times the commands per second are 16 times as fast."""
    screen = console(terminal=False)
    screen.print(tables.comparison_table(Result((0.8,), 2400), Result((0.05,), 4)))
    assert "1.0 x" in printed(screen)
    assert "16.0 x" in printed(screen)


@pytest.mark.parametrize(("agrees", "word"), [({}, "yes"), ({"timed_out": 9}, "no")])
def test_table_says_what_does_not_agree(agrees: dict[str, int], word: str) -> None:
    """A number that does not fit stands out in its row."""
    screen = console(terminal=False)
    screen.print(tables.checks_table(burst(**agrees)))
    row = next(line for line in printed(screen).splitlines() if "refused" in line)
    assert row.split("│")[-2].strip() == word
