"""The live picture of `watch`."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from .series import bars
from .stats_tables import silent_lines
from .words import exhaustion, holder_line, many, reasons
from .words import time as said

__all__ = ["live", "picture"]

HOLDERS_MAX = 3  # of each pool; `stats` has them all
_LABEL = 10  # columns in front of a sparkline
_NUMBER = 9  # columns behind it


@contextmanager
def live(
    console: Console, nobody: str, leave: str = ""
) -> Generator[Callable[[dict[str, Any]], None], None, None]:
    """Yield what shows a look in place of the one before."""
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as screen:

        def show(data: dict[str, Any]) -> None:
            screen.update(picture(data, console.width, nobody, leave), refresh=True)

        yield show


def picture(data: dict[str, Any], width: int, nobody: str, leave: str = "") -> Group:
    """Return all of it, for a terminal of so many columns."""
    moment = time.strftime("%H:%M:%S", time.localtime(data["at"]))
    head = f"{moment}  {many(len(data['processes']), 'process', 'processes')}"
    lines = [Text(head + (f"  {leave}" if leave else ""), style="dim")]
    if not data["pools"] and not data["silent"]:
        lines.append(Text(nobody))
    for total in data["pools"]:
        lines += _pool(total, width)
    return Group(*lines, *silent_lines(data["silent"]))


def _pool(total: dict[str, Any], width: int) -> list[Text]:
    last, rows = total["last_minute"], total["rows"]
    refused = total["refused"]
    said_refused = f", {refused:,} refused ({reasons(total['refused_by_reason'])})"
    title = Text(f"{total['alias']}  ", style="bold")
    title.append(
        f"{total['in_use']} of {total['max_connections']} in use, {total['idle']} idle, "
        f"{total['waiting']} waiting; {total['acquired']:,} acquired"
        + (said_refused if refused else ""),
        style="not bold",
    )
    most = float(total["max_connections"])
    lines = [
        title,
        _spark("in use", rows["in_use"], str(total["in_use"]), width, "green", top=most),
        _spark("waiting", rows["waiting"], str(total["waiting"]), width, "yellow"),
        _spark("wait p99", rows["waits_p99"], said(last["waits_p99"]), width, "cyan"),
        _spark("refused", rows["refused"], f"{last['refused']}/min", width, "red"),
    ]
    if words := exhaustion(total):
        lines.append(Text(words, style="bold red"))
    return lines + [
        Text(f"  {holder['pid']} {holder_line(holder)}", overflow="ellipsis", no_wrap=True)
        for holder in total["holders"][:HOLDERS_MAX]
    ]


def _spark(  # noqa: PLR0913, PLR0917  a line of a picture
    label: str, row: list[float], number: str, width: int, style: str, top: float | None = None
) -> Text:
    room = max(width - _LABEL - _NUMBER - 3, 8)
    text = Text(f"  {label:<{_LABEL - 2}}", no_wrap=True)
    text.append(bars(row, room, top).rjust(min(room, len(row))), style=style)
    return text.append(f" {number:>{_NUMBER}}")
