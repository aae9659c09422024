"""The plots, as SVG that is readable on a light and on a dark page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import StringIO
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from . import harness
from .harness import RATIO, Curve, Result, Row, quartiles
from .report import figure

__all__ = ["draw"]

# All of them stand out from white as well as from GitHub's dark page (#0d1117): at least
# 4 to 1 for text, 3 to 1 for what is drawn.
TEXT = "#75808c"
GRID = "#75808c40"
OURS = "#2f81f7"
FASTER = "#cf5a16"  # a peer that is
PEERS = ("#cf5a16", "#2c974b", "#a05be0", "#c2418d", "#9a7b12")
MARKERS = ("o", "s", "^", "D", "v", "P")

STYLE: Any = {
    # Words stay words: as outlines they would be most of the file. The viewer's font may be
    # another; what is on the left of something ends there, whatever its width.
    "svg.fonttype": "none",
    "svg.hashsalt": "redis_pool_ext",
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "text.color": TEXT,
    "axes.edgecolor": TEXT,
    "axes.labelcolor": TEXT,
    "axes.titlecolor": TEXT,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "legend.frameon": False,
    "legend.labelcolor": TEXT,
}


def draw(results: Sequence[Result], folder: Path) -> list[Path]:
    """Draw what there is to be drawn, and return the files."""
    with mpl.rc_context(STYLE):
        return [_save(drawn, folder / f"{name}.svg") for name, drawn in _figures(results)]


def _figures(results: Sequence[Result]) -> Iterator[tuple[str, Figure]]:
    overview = [bar for result in results for bar in _bars(result)]
    if overview:
        yield "overview", _ratios(overview)
    for result in results:
        if result.curves:
            yield result.key, _curves(result.curves)


def _save(drawn: Figure, path: Path) -> Path:
    text = StringIO()
    drawn.savefig(text, format="svg", transparent=True, bbox_inches="tight")
    path.write_text(_NO_PICTURE.sub("", text.getvalue()))
    return path


# What makes the file longer, or another one each time: matplotlib's remarks on what is what,
# its name and the date, indentation.
_NO_PICTURE = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|^\s+", re.MULTILINE | re.DOTALL)


# -- ratios --------------------------------------------------------------------------------


def _bars(result: Result) -> list[tuple[str, Row]]:
    """Return the peers of the groups that the result wants to be seen."""
    shown = result.highlights or [row.group for row in result.rows]
    of = f" ({result.ratio_of})" if result.ratio_of else ""
    return [
        (f"{row.group or result.title.partition(':')[0]}{of}", row)
        for row in result.rows
        if RATIO in row.values and row.group in shown and not row.name.startswith(harness.OURS)
    ]


def _ratios(bars: Sequence[tuple[str, Row]]) -> Figure:
    """Draw theirs over ours, on a scale where twice and half are equally far from 1."""
    places, labels, headings = _places(bars)
    drawn = Figure(figsize=(5.6, 0.5 + 0.19 * max(places)))
    axes = drawn.add_subplot()
    for place, (_, row) in zip(places, bars, strict=True):
        value = row.values[RATIO]
        lower, upper = quartiles(row.rounds[RATIO])
        axes.barh(
            place, value - 1, left=1, height=0.7, color=OURS if value >= 1 else FASTER, linewidth=0
        )
        axes.plot([lower, upper], [place, place], color=TEXT, linewidth=1.2)
        right = max(value, upper, 1.0)
        axes.annotate(
            f"{figure(value)}x", (right, place), (4, 0), textcoords="offset points", va="center"
        )
    for place, heading in headings:
        axes.annotate(
            heading, (0, place), (-4, 0), ("axes fraction", "data"), "offset points",
            ha="right", va="center", fontweight="bold",
        )  # fmt: skip
    axes.axvline(1, color=TEXT, linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}x"))
    axes.minorticks_off()
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(max(places) + 0.7, 0)
    axes.margins(x=0.12)
    axes.set_xlabel(
        "theirs over ours: on the right, ours needs less\n(the line: half of the rounds)"
    )
    axes.spines["left"].set_visible(False)
    return drawn


def _places(
    bars: Sequence[tuple[str, Row]],
) -> tuple[list[float], list[str], list[tuple[float, str]]]:
    """Put a heading above each group; return places and names of bars, and the headings."""
    places: list[float] = []
    headings: list[tuple[float, str]] = []
    line, last = 0.0, None
    for group, _ in bars:
        if group != last:
            line += 0.5
            headings.append((line, group))
            line, last = line + 1, group
        places.append(line)
        line += 1
    return places, [row.name for _, row in bars], headings


# -- curves --------------------------------------------------------------------------------


def _curves(curves: Sequence[Curve]) -> Figure:
    across = 2 if len(curves) > 1 else 1
    down = -(-len(curves) // across)
    size = (3.9 * across + 0.4, 2.7 * down + 0.4) if across > 1 else (6.4, 3.6)
    drawn = Figure(figsize=size, layout="constrained")
    names = list(dict.fromkeys(name for curve in curves for name in curve.series))
    for number, curve in enumerate(curves, 1):
        axes = drawn.add_subplot(down, across, number)
        for name, points in curve.series.items():
            _line(axes, names, name, points)
        _dress(axes, curve)
    handles = {
        text: handle
        for axes in drawn.axes
        for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    drawn.legend(
        [handles[name] for name in names],
        names,
        loc="outside lower center",
        ncols=min(3, len(names)),
    )
    return drawn


def _line(axes: Any, names: list[str], name: str, points: list[tuple[float, float]]) -> None:
    number = names.index(name)
    axes.plot(
        *zip(*points, strict=True),
        label=name,
        color=PEERS[(number - 1) % len(PEERS)] if number else OURS,
        marker=MARKERS[number % len(MARKERS)],
        markevery=-(-len(points) // 12),
        markersize=4,
        linewidth=1.4 if number else 2.4,
        zorder=3 if number == 0 else 2,
    )


def _dress(axes: Any, curve: Curve) -> None:
    axes.set_title(curve.title, loc="left")
    axes.set_xlabel(curve.x_label)
    axes.set_ylabel(curve.y_label)
    axes.grid(color=GRID, linewidth=0.6)
    plain = FuncFormatter(lambda value, _: f"{value:,.10g}")
    if curve.is_log_x:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(plain)
    if curve.is_log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(plain)
        # Whole decades: there is a number at both ends.
        seen = [y for points in curve.series.values() for _, y in points if y > 0]
        axes.set_ylim(10 ** floor(log10(min(seen))), 10 ** ceil(log10(max(seen))))
    else:
        axes.set_ylim(bottom=0)
    axes.minorticks_off()
