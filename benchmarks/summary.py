"""The few lines for the README: what ours needs, and how many times that its peers need."""

from __future__ import annotations

from collections.abc import Sequence

from .harness import OURS, RATIO, Result, Row
from .report import figure

__all__ = ["summary"]

# Which benchmark, which group of its rows, and what that is in a reader's words.
LINES = (
    ("cycle", "", "Take a connection, give it back"),
    ("command", "GET, stub socket", "One GET: the client's own work"),
    ("command", "client + GET + return, stub socket", "Client, one GET, and back: a request"),
    ("command", "GET, loopback", "One GET over loopback"),
    ("tasks", "GET, asyncio, loopback", "One GET over loopback, asyncio: CPU"),
    ("requests", "Django, 5 GETs", "A Django request with 5 GETs"),
    ("requests", "Flask, 5 GETs", "A Flask request with 5 GETs"),
    ("cached", "A cached page", "A page from Django's cache"),
    ("contention", "64 threads, 10 connections, 0.5 ms hold", "Worst wait, 64 threads on 10"),
    ("blackhole", "", "A server that never answers, `timeout=2`"),
)


def summary(results: Sequence[Result]) -> str:
    """Return a table in Markdown: a line for each of `LINES` that was measured."""
    lines = ["| | ours | its peers need, times ours |", "| --- | ---: | --- |"]
    for key, group, words in LINES:
        for result in results:
            rows = [row for row in result.rows if row.group == group]
            if result.key == key and rows:
                lines.append(_line(words, result, rows))
    return "\n".join(lines) + "\n"


def _line(words: str, result: Result, rows: Sequence[Row]) -> str:
    ours, *others = rows
    column = result.ratio_of
    peers = [
        f"{_short(row.name)} {figure(row.values[RATIO])}"
        for row in others
        if not row.name.startswith(OURS) and RATIO in row.values
    ]
    unit = result.unit[column]
    return f"| {words} | {figure(ours.values[column])} {unit} | {' · '.join(peers)} |"


def _short(name: str) -> str:
    name = name.replace("redis-py, ", "redis-py ").replace("redis.asyncio, ", "redis.asyncio ")
    return name.replace("django-redis, cache", "its cache")
