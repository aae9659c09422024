"""The table: what was measured, on what, against whom, and whether that was the aim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from .harness import Result, Row, quartiles

__all__ = ["figure", "markdown"]


def figure(value: float) -> str:
    """Write three digits of a number, more where it is large."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def markdown(results: Sequence[Result], machine: Mapping[str, str], command: str) -> str:
    """Return the whole page."""
    parts = [
        "# Benchmarks",
        f"Made by `{command}`. Each figure is the median of all rounds, with the quartiles in "
        "brackets: half of the rounds lie between them. Contenders take turns in every round, and "
        "a ratio is theirs over ours, round by round: above 1, ours needs less. What each "
        "benchmark measures, and what a stub is: `docs/benchmarks.md`.",
        "\n".join(f"- {name}: {value}" for name, value in machine.items()),
        *_targets(results),
        *(_section(result) for result in results),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]], words: int) -> str:
    """Return a table whose first columns are words, and the others figures."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def _targets(results: Sequence[Result]) -> list[str]:
    lines = [
        (
            target.text,
            figure(target.limit),
            figure(target.ratio),
            "met" if target.is_met else "**not met**",
        )
        for result in results
        for target in result.targets
    ]
    return (
        ["## What was aimed at", _table(("aim", "limit", "measured", ""), lines, 1)]
        if lines
        else []
    )


def _section(result: Result) -> str:
    parts = [f"## {result.title}"]
    for group, rows_of_group in groupby(result.rows, key=lambda row: row.group):
        rows = list(rows_of_group)
        columns = [name for name in result.unit if any(name in row.values for row in rows)]
        head = [group, *(_heading(name, result) for name in columns)]
        lines = [[row.name, *(_cell(row, name) for name in columns)] for row in rows]
        parts.append(_table(head, lines, 1))
    notes = {row.name: row.note for row in result.rows if row.note}
    if notes:
        parts.append(
            "How they are set up:\n\n" + _items(f"{n}: {note}" for n, note in notes.items())
        )
    if result.remarks:
        parts.append("Remarks:\n\n" + _items(result.remarks))
    return "\n\n".join(parts)


def _heading(name: str, result: Result) -> str:
    unit = result.unit[name]
    if unit == "x":
        return f"{name} ({result.ratio_of})" if result.ratio_of else name
    return f"{name}, {unit}" if unit else name


def _cell(row: Row, name: str) -> str:
    if name not in row.values:
        return ""
    text = figure(row.values[name])
    rounds = row.rounds.get(name, [])
    if len(rounds) < 2 or min(rounds) == max(rounds):
        return text
    lower, upper = quartiles(rounds)
    return f"{text} [{figure(lower)} to {figure(upper)}]"


def _items(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
