"""The page of a debug panel, as HTML: one for both frameworks, without their templates.

No script and no style: the toolbars have their own, and a strict policy may forbid any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

__all__ = ["TITLE", "render", "summary"]

TITLE = "Redis pool"

Data = Mapping[str, Any]


def summary(data: Data) -> str:
    """Say it in one line, for the side of the toolbar: plain text."""
    if not data:
        return ""
    count = len(data["commands"])
    commands = f"{count} command{'' if count == 1 else 's'} in {_ms(data['seconds'])}"
    waited = f", waited {_ms(data['waited'])}" if data["connections"] else ""
    return commands + waited


def render(data: Data) -> str:
    """Return what `Recording.as_dict()` says, as tables."""
    if not data:
        return "<p>Nothing was recorded.</p>"
    left_out = f"<p>{data['left_out']} more are not shown.</p>" if data["left_out"] else ""
    return "".join(
        [
            "<h4>Connections of this request</h4>",
            _table(("Pool", "Waited", "Held", ""), map(_connection, data["connections"])),
            "<h4>Commands of this request</h4>",
            _table(("#", "Command", "First argument", "Took", ""), _commands(data["commands"])),
            left_out,
            "<h4>Pools of this process, after the request</h4>",
            _table(
                ("Pool", "In use", "Idle", "Connecting", "Waiting", "Most"),
                map(_pool, data["pools"]),
            ),
        ]
    )


def _connection(each: Data) -> tuple[str, ...]:
    remark = each["error"] or ("" if each["is_back"] else "still out")
    return each["pool"], _ms(each["waited"]), _ms(each["held"]), remark


def _commands(commands: Iterable[Data]) -> Iterable[tuple[str, ...]]:
    for number, each in enumerate(commands, start=1):
        took, error = _ms(each["seconds"]), each["error"] or ""
        yield str(number), each["name"], each["argument"], took, error


def _pool(each: Data) -> tuple[str, ...]:
    names = ("alias", "in_use", "idle", "connecting", "waiting", "max_connections")
    return tuple(str(each[name]) for name in names)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    if not body:
        return "<p>None.</p>"
    return f"<table><thead><tr>{_cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def _cells(tag: str, texts: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"
