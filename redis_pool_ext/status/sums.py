"""Pools of several processes in sum, for the page and for the commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

from ..histogram import NOTHING, Histogram
from ..sizing.summing import in_all
from ..stats import REFUSALS, PoolStats
from .report import no_longer_than

__all__ = ["groups_of", "key_of", "refused_by_reason", "sum_of"]

Pool = dict[str, Any]

# Of a window; the rest is told from its times.
_ADDED = (
    "arrivals", "acquired", "refused", "waited", "mean_in_use", "arrivals_per_second", "peak",
    "longest_queue",
)  # fmt: skip


def key_of(pool: Pool) -> tuple[str, ...]:
    """Return what is the same of a pool in each process that has it: alias, kind and server."""
    return pool["alias"], pool["kind"], pool["server"]


def groups_of(
    reports: Iterable[dict[str, Any]], key: Callable[[Pool], tuple[str, ...]] = key_of
) -> list[list[Pool]]:
    """Return the pools of these processes' reports, those with the same key together.

    "default" comes first. Each pool, its `holders` and its `advice` have the process id as `pid`.
    """

    def place(pool: Pool) -> tuple[Any, ...]:
        return pool["alias"] != "default", *key(pool)

    pools = [_with_process(pool, each) for each in reports for pool in each["pools"]]
    return [list(same) for _, same in groupby(sorted(pools, key=place), key=place)]


def _with_process(pool: Pool, report: dict[str, Any]) -> Pool:
    pid = report["process"]["pid"]
    return pool | {
        "pid": pid,
        "stats": pool["stats"] | {"refused": sum(refused_by_reason(pool["stats"]).values())},
        "holders": [holder | {"pid": pid} for holder in pool["holders"]],
        "advice": pool["advice"] | {"pid": pid},
    }


def refused_by_reason(stats: dict[str, Any]) -> dict[str, int]:
    """Return how many requests got no connection, by reason; those reasons that occurred."""
    return {name: stats[name] for name in REFUSALS if stats[name]}


def sum_of(group: list[Pool]) -> Pool:
    """Return one of `groups_of` as one pool, without its samples.

    `processes` has the ids, `advice` the word of each. Peaks are the sum of all, which need not
    have come at the same moment; percentiles are computed of all times.
    """
    first = group[0]
    stats = first["stats"] if len(group) == 1 else _sum_of_stats([each["stats"] for each in group])
    window = _sum_of_windows([each["window"] for each in group])
    holders = [holder for each in group for holder in each["holders"]]
    total = first | {
        "processes": list(dict.fromkeys(each["pid"] for each in group)),
        "stats": stats,
        "window": no_longer_than(stats["wait_seconds_max"], window),
        "holders": sorted(holders, key=lambda holder: -holder["seconds"]),
        "shares": _sum_of_shares(group),
        "advice": [each["advice"] for each in group],
    }
    del total["pid"], total["samples"]
    return total


def _sum_of_stats(each: list[dict[str, Any]]) -> dict[str, Any]:
    total = in_all(each[0]["alias"], [PoolStats.from_dict(stats) for stats in each])
    return total.as_dict() | {"refused": total.refused}


def _sum_of_windows(each: list[dict[str, Any]]) -> dict[str, Any]:
    if len(each) == 1:
        return each[0]
    total = {name: sum(window[name] for window in each) for name in _ADDED}
    total["seconds"] = max(window["seconds"] for window in each)
    for name in ("waits", "holds"):
        times = sum((Histogram.from_dict(window[name]) for window in each), NOTHING)
        total |= {
            name: times.as_dict(),
            f"{name}_mean": times.mean,
            f"{name}_p50": times.quantile(0.5),
            f"{name}_p99": times.quantile(0.99),
        }
    return total


def _sum_of_shares(group: list[Pool]) -> dict[str, float]:
    """Weigh each process's shares by how much of the pool was in use there."""
    held: Counter[str] = Counter()
    for pool in group:
        weight = pool["window"]["mean_in_use"] or 1e-9
        for kind, share in pool["shares"].items():
            held[kind] += share * weight
    whole = sum(held.values())
    return {kind: part / whole for kind, part in held.most_common()} if whole else {}
