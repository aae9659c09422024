"""The samples of several processes as one row of numbers, the newest last."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

__all__ = ["BARS", "bars", "rows_of"]

BARS = "▁▂▃▄▅▆▇█"
_GAP = 3  # seconds that a size is believed without a new sample


def rows_of(pools: Iterable[dict[str, Any]], now: float, seconds: int) -> dict[str, list[float]]:
    """Return in use, waiting, p99 of waits and refusals, for each of the last seconds.

    Sizes and counts are sums over the processes, the p99 is the worst of any. A process looks
    once in a little more than a second; a second that it has left out is as the one before.
    """
    names: dict[str, Callable[[float, float], float]] = {
        "in_use": float.__add__, "waiting": float.__add__, "waits_p99": max,
        "refused": float.__add__,
    }  # fmt: skip
    rows = {name: [0.0] * seconds for name in names}
    for pool in pools:
        for name, together in names.items():
            own = _row(pool["samples"], name, now, seconds, is_count=name == "refused")
            rows[name] = [together(a, b) for a, b in zip(rows[name], own, strict=True)]
    return rows


def _row(
    samples: list[dict[str, Any]], name: str, now: float, seconds: int, *, is_count: bool
) -> list[float]:
    found: list[float | None] = [None] * seconds
    for sample in samples:
        at = seconds - 1 - int(max(now - sample["at"], 0.0))
        if at >= 0:
            before = found[at] or 0.0
            found[at] = before + sample[name] if is_count else max(before, float(sample[name]))
    return [each or 0.0 for each in (found if is_count else _without_gaps(found))]


def _without_gaps(row: list[float | None]) -> list[float | None]:
    filled, age, last = [], _GAP, None
    for each in row:
        age = 0 if each is not None else age + 1
        last = each if each is not None else last
        filled.append(last if age < _GAP else None)
    return filled


def bars(row: list[float], width: int, top: float | None = None) -> str:
    """Return a sparkline of so many columns; each shows the most of the seconds in it.

    The full height is `top`, or what is the most; nothing at all is a blank.
    """
    if not row or width < 1:
        return ""
    width = min(width, len(row))
    edges = [round(column * len(row) / width) for column in range(width + 1)]
    columns = [max(row[a:b]) for a, b in pairwise(edges)]
    highest = max(top or 0.0, *columns) or 1.0
    return "".join(_bar(value / highest) for value in columns)


def _bar(share: float) -> str:
    return BARS[min(int(share * len(BARS)), len(BARS) - 1)] if share > 0 else " "
