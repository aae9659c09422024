"""The rows of a table of requests, and what is asked of ours beside a peer's."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..harness import RATIO, Row, Target, Timing, row, with_ratios

__all__ = ["UNIT", "at_most_of_peers", "rows_of"]

UNIT = {"request": "us", "CPU": "us", RATIO: "x"}


def rows_of(group: str, found: Mapping[str, Timing], notes: Mapping[str, str]) -> list[Row]:
    """Return a row for each site, ours first."""
    rows = [
        row(
            site,
            {"request": timing.wall, "CPU": timing.cpu},
            UNIT,
            note=notes[site],
            group=group,
        )
        for site, timing in found.items()
    ]
    return with_ratios(rows, "request")


def at_most_of_peers(
    rows: list[Row], peers: Collection[str], limit: float, what: str
) -> list[Target]:
    """Ours over the peer: the other way round than in the table, as the target is stated."""
    return [
        Target.at_most(f"{what} over {peer.name}: at most {limit}", 1 / peer.values[RATIO], limit)
        for peer in rows
        if peer.name in peers
    ]
