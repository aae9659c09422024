"""What the commands tell of a pool of several processes, by alias and server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..status.sums import groups_of, refused_by_reason, sum_of

__all__ = ["groups_by_server", "total_of", "totals_of"]

Pool = dict[str, Any]

_NOW_AND_IN_ALL = ("in_use", "idle", "connecting", "waiting", "max_connections", "acquired",
                   "waited", "released", "created", "double_releases", "leaked",
                   "refused")  # fmt: skip
_LATELY = ("acquired", "refused", "waits_p50", "waits_p99", "holds_p50", "holds_p99")


def groups_by_server(reports: Iterable[dict[str, Any]]) -> list[list[Pool]]:
    """Return the pools of these reports; those of one alias and server, of any kind, together."""
    return groups_of(reports, lambda pool: (pool["alias"], pool["server"]))


def totals_of(reports: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry for each alias and server."""
    return [total_of(group) for group in groups_by_server(reports)]


def total_of(group: list[Pool]) -> dict[str, Any]:
    """Return the entry of one group.

    Counts are sums, percentiles those of the last minute; `exhausted` says in how many processes
    all are in use, and somebody waits.
    """
    pool = sum_of(group)
    stats = pool["stats"]
    return {
        "alias": pool["alias"],
        "server": pool["server"],
        "processes": len(pool["processes"]),
        "exhausted": len({each["pid"] for each in group if _is_full(each["stats"])}),
        **{name: stats[name] for name in _NOW_AND_IN_ALL},
        "refused_by_reason": refused_by_reason(stats),
        "last_minute": {name: pool["window"][name] for name in _LATELY},
        "holders": pool["holders"],
        "shares": pool["shares"],
    }


def _is_full(stats: dict[str, Any]) -> bool:
    return bool(stats["in_use"] >= stats["max_connections"] and stats["waiting"])
