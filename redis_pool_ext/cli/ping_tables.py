"""The table of `ping`."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .words import time

__all__ = ["draw"]


def draw(data: dict[str, Any], console: Console) -> None:
    """Draw one line for each server, and below what to do about those that do not answer."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1))
    table.add_column("pool", overflow="fold")
    table.add_column("server", overflow="fold")
    table.add_column("dial", justify="right", no_wrap=True)
    table.add_column("PING", justify="right", no_wrap=True)
    table.add_column("")
    for entry in data["pools"]:
        answer = Text("ok", style="green") if entry["ok"] else Text("down", style="bold red")
        table.add_row(
            entry["alias"], entry["server"], _time(entry["dial_seconds"]),
            _time(entry["ping_seconds"]), answer,
        )  # fmt: skip
    console.print(table)
    for entry in data["pools"]:
        if not entry["ok"]:
            console.print(Text(f"{entry['alias']} ({entry['server']}): {entry['error']}"))
            console.print(Text(f"  {entry['way_out']}", style="bold"))


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else time(seconds, least=1e-6)
