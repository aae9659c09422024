"""The tables of `stats`, for wide terminals and for narrow ones."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..status.sums import refused_by_reason
from .words import exhaustion, largest_share, many, reasons, time

__all__ = ["draw", "silent_lines"]

WIDE = 112  # columns that the table of all numbers needs
HOLDERS_MAX = 10  # that are told of a pool


def draw(data: dict[str, Any], console: Console, nobody: str) -> None:
    """Draw what `stats` has gathered."""
    if not data["processes"] and not data["silent"]:
        console.print(Text(nobody))
        return
    pairs = [(each["process"], pool) for each in data["processes"] for pool in each["pools"]]
    if console.width >= WIDE:
        console.print(_table(pairs, data["pools"]))
    else:
        for process, pool in pairs:
            console.print(_block(process, pool))
    _draw_totals(data["pools"], console)
    for line in silent_lines(data["silent"]):
        console.print(line)


def _draw_totals(totals: list[dict[str, Any]], console: Console) -> None:
    for total in totals:
        if words := exhaustion(total):
            console.print(Text(words, style="bold red"))
    for total in totals:
        if total["holders"]:
            console.print(Text(_holders_title(total)))
            console.print(_holders(total))


def silent_lines(silent: list[dict[str, Any]]) -> list[Text]:
    """Say which processes do not answer."""
    return [Text(f"process {each['pid']}: {each['error']}", style="bold red") for each in silent]


def _table(pairs: list[tuple[dict[str, Any], dict[str, Any]]], totals: list[Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1))
    table.add_column("process", overflow="fold")
    table.add_column("pool", overflow="fold")
    for name in ("in use", "idle", "waiting", "max", "acquired", "waited", "refused"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("wait p50 / p99", "hold p50 / p99"):
        table.add_column(name, justify="right", no_wrap=True)
    for process, pool in pairs:
        refused = refused_by_reason(pool["stats"])
        table.add_row(*_cells(_name_of(process), pool["alias"] + _kind(pool), pool["stats"],
                              pool["window"], sum(refused.values())))  # fmt: skip
    for total in totals:
        if total["processes"] > 1:
            name = f"{total['processes']} in all"
            cells = _cells(name, total["alias"], total, total["last_minute"], total["refused"])
            table.add_row(*cells, style="bold")
    return table


def _cells(
    process: str, pool: str, stats: dict[str, Any], window: dict[str, Any], refused: int
) -> list[str | Text]:
    counts = [
        f"{stats[name]:,}"
        for name in ("in_use", "idle", "waiting", "max_connections", "acquired", "waited")
    ]
    times = [
        f"{time(window[f'{name}_p50'])} / {time(window[f'{name}_p99'])}"
        for name in ("waits", "holds")
    ]
    return [process, pool, *counts, Text(f"{refused:,}", style="red" if refused else ""), *times]


def _block(process: dict[str, Any], pool: dict[str, Any]) -> Text:
    stats, window = pool["stats"], pool["window"]
    refused = refused_by_reason(stats)
    said = f"refused {sum(refused.values()):,}" + (f": {reasons(refused)}" if refused else "")
    text = Text(f"{_name_of(process)}  {pool['alias']}{_kind(pool)}\n", style="bold")
    text.append(
        f"  {stats['in_use']} of {stats['max_connections']} in use, {stats['idle']} idle, "
        f"{stats['waiting']} waiting\n"
        f"  acquired {stats['acquired']:,}, waited {stats['waited']:,}, {said}\n"
        f"  last minute: wait p50 {time(window['waits_p50'])} p99 {time(window['waits_p99'])}, "
        f"hold p50 {time(window['holds_p50'])} p99 {time(window['holds_p99'])}",
        style="not bold",
    )
    return text


def _holders(total: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1))
    table.add_column("process", justify="right")
    table.add_column("who", overflow="fold")
    table.add_column("for", justify="right", no_wrap=True)
    table.add_column("last command", overflow="fold")
    for holder in total["holders"][:HOLDERS_MAX]:
        table.add_row(
            str(holder["pid"]), Text(holder["name"]), time(holder["seconds"]),
            holder["last_command"] or "none",
        )  # fmt: skip
    more = len(total["holders"]) - HOLDERS_MAX
    if more > 0:
        table.add_row("", f"and {many(more, 'other')}", "", "")
    return table


def _holders_title(total: dict[str, Any]) -> str:
    share = largest_share(total["shares"])
    return f'holders of "{total["alias"]}" now' + (f"; lately {share}" if share else "")


def _name_of(process: dict[str, Any]) -> str:
    return f"{process['pid']} {process['program']}"


def _kind(pool: dict[str, Any]) -> str:
    return " (async)" if pool["kind"] == "async" else ""
