"""What moves on the screen while the demo measures; nothing where nobody looks."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn

from ..stats import PoolStats
from .burst import Wave
from .compare import COMMANDS, ROUNDS, Side

__all__ = ["bursting", "comparing", "gauge"]

FULL = "red"  # a bar that has reached its end: here, that is no reason to be glad


@contextmanager
def comparing(console: Console) -> Generator[Callable[[Side, Side], None], None, None]:
    """Show a bar for each side; yields what `compare` shall call."""
    with _bars(console, BarColumn()) as bars:
        tasks = [bars.add_task("", total=COMMANDS * ROUNDS) for _ in range(2)]

        def look(*sides: Side) -> None:
            for task, side in zip(tasks, sides, strict=True):
                bars.update(task, completed=side.done, description=side.name)

        yield look


@contextmanager
def bursting(
    console: Console,
) -> Generator[Callable[[PoolStats, tuple[Wave, ...]], None], None, None]:
    """Show the pool filling and the answers coming in; yields what `burst` shall call."""
    with _bars(console, BarColumn(finished_style=FULL)) as bars:
        names = ("connections in use", "waiting in the queue", "answered 200", "answered 503")
        tasks = [bars.add_task(name, total=None) for name in names]

        def look(stats: PoolStats, waves: tuple[Wave, ...]) -> None:
            visitors = sum(wave.size for wave in waves)
            counts = [sum(wave.count(status) for wave in waves) for status in (200, 503)]
            bars.update(tasks[0], completed=stats.in_use, total=stats.max_connections)
            for task, count in zip(tasks[1:], (stats.waiting, *counts), strict=True):
                bars.update(task, completed=count, total=visitors)

        yield look


@contextmanager
def gauge(console: Console) -> Generator[Callable[[PoolStats], None], None, None]:
    """Show how full the pool is while the example is served; yields what updates it."""
    note = TextColumn("{task.fields[note]}")
    with _bars(console, BarColumn(finished_style=FULL), note) as bars:
        task = bars.add_task("connections in use", total=None, note="")

        def look(stats: PoolStats) -> None:
            note = f" {stats.waiting} waiting, {stats.timed_out} refused so far"
            bars.update(task, completed=stats.in_use, total=stats.max_connections, note=note)

        yield look


def _bars(console: Console, bar: BarColumn, *more: ProgressColumn) -> Progress:
    if console.is_terminal:
        console.print()
    columns = (TextColumn("  {task.description}"), bar, MofNCompleteColumn(), *more)
    return Progress(*columns, console=console, disable=not console.is_terminal)
