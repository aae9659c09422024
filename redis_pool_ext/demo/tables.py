"""The three tables: what the pool saves, what a burst meets, and whether all adds up."""

from __future__ import annotations

from rich import box
from rich.table import Table

from .burst import Burst, Wave
from .compare import COMMANDS, ROUNDS, Result
from .verdict import checks

__all__ = ["burst_table", "checks_table", "comparison_table"]


def comparison_table(without: Result, pooled: Result) -> Table:
    """Return the two ways side by side."""
    table = _table("", "commands", "connections", "median\nround", "commands/s", "ratio")
    for name, result in (("a connection each", without), ("one pool", pooled)):
        table.add_row(
            name,
            f"{COMMANDS * ROUNDS:,}",
            f"{result.connections:,}",
            f"{result.median_seconds * 1000:.0f} ms",
            f"{result.rate:,.0f}",
            f"{result.rate / without.rate:.1f} x",
        )
    return table


def burst_table(burst: Burst) -> Table:
    """Return what each wave of visitors met."""
    table = _table(
        "visitors who ...", "sent", "200", "503", "Retry-After", "median\nwait", "worst\nwait"
    )
    for wave in burst.waves:
        table.add_row(wave.name, str(wave.size), *_counts(wave), *_seconds(wave))
    return table


def checks_table(burst: Burst) -> Table:
    """Return the visitors' numbers beside the pool's own."""
    table = _table("", "the visitors saw", "the pool counted", "agree")
    for check in checks(burst):
        agrees = "[green]yes" if check.agrees else "[bold red]no"
        table.add_row(check.what, check.seen, check.counted, agrees)
    return table


def _counts(wave: Wave) -> tuple[str, str, str]:
    served, refused = wave.count(200), wave.count(503)
    seconds = wave.retry_after
    when = " to ".join(str(limit) for limit in sorted({*seconds[:1], *seconds[-1:]}))
    when = f"{when} s" if when else "-"
    return f"[green]{served}" if served else "-", f"[red]{refused}" if refused else "-", when


def _seconds(wave: Wave) -> tuple[str, str]:
    median, worst = wave.seconds
    return f"{median:.2f} s", f"{worst:.2f} s"


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.ROUNDED, header_style="bold")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
