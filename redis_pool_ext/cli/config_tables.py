"""The tables of `config`."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["draw"]


def draw(data: dict[str, Any], console: Console, nobody: str) -> None:
    """Draw a table for each pool."""
    if not data["pools"]:
        console.print(Text(nobody))
    for pool in data["pools"]:
        whose = f" (process {pool['pid']})" if pool["pid"] is not None else ""
        console.print(Text(f"{pool['alias']}  {pool['server']}{whose}", style="bold"))
        console.print(_table(pool))


def _table(pool: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1))
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("")
    for name, entry in pool["settings"].items():
        usual = entry["is_default"]
        table.add_row(
            Text(name),
            Text("none" if entry["value"] is None else str(entry["value"])),
            "default" if usual else "",
            style="dim" if usual else "",
        )
    return table
