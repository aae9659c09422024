"""The pools of several processes in sum, by alias and server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..stats import REFUSALS

__all__ = ["pairs_of", "refused_by_reason", "totals_of"]

Pool = dict[str, Any]

_SUMS = ("in_use", "idle", "connecting", "waiting", "max_connections", "acquired", "waited",
         "released", "created", "double_releases", "leaked")  # fmt: skip
_WORST = ("waits_p50", "waits_p99", "holds_p50", "holds_p99")


def refused_by_reason(stats: dict[str, Any]) -> dict[str, int]:
    """Return how many requests got no connection, by reason; those reasons that occurred."""
    return {name: stats[name] for name in REFUSALS if stats[name]}


def pairs_of(reports: Iterable[dict[str, Any]]) -> list[tuple[dict[str, Any], Pool]]:
    """Return each process with each of its pools."""
    return [(report["process"], pool) for report in reports for pool in report["pools"]]


def totals_of(reports: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry for each alias and server.

    Counts are sums; `exhausted` says in how many processes all are in use, and somebody waits.
    Percentiles, those of the last minute, are the worst of any process; `shares` weighs each
    process by how many connections it had out.
    """
    by_name: dict[tuple[str, str], list[tuple[dict[str, Any], Pool]]] = {}
    for process, pool in pairs_of(reports):
        by_name.setdefault((pool["alias"], pool["server"]), []).append((process, pool))
    return [_total(*name, pairs) for name, pairs in by_name.items()]


def _total(alias: str, server: str, pairs: list[tuple[dict[str, Any], Pool]]) -> dict[str, Any]:
    stats = [pool["stats"] for _, pool in pairs]
    windows = [pool["window"] for _, pool in pairs]
    refused: Counter[str] = Counter()
    for each in stats:
        refused.update(refused_by_reason(each))
    holders = [{"pid": process["pid"], **holder} for process, p in pairs for holder in p["holders"]]
    return {
        "alias": alias,
        "server": server,
        "processes": len({process["pid"] for process, _ in pairs}),
        "exhausted": len({process["pid"] for process, pool in pairs if _is_full(pool["stats"])}),
        **{name: sum(each[name] for each in stats) for name in _SUMS},
        "refused": sum(refused.values()),
        "refused_by_reason": dict(refused),
        "last_minute": {
            "acquired": sum(each["acquired"] for each in windows),
            "refused": sum(each["refused"] for each in windows),
            **{name: max(each[name] for each in windows) for name in _WORST},
        },
        "holders": sorted(holders, key=lambda holder: -holder["seconds"]),
        "shares": _shares([pool for _, pool in pairs]),
    }


def _is_full(stats: dict[str, Any]) -> bool:
    return bool(stats["in_use"] >= stats["max_connections"] and stats["waiting"])


def _shares(pools: list[Pool]) -> dict[str, float]:
    held: Counter[str] = Counter()
    for pool in pools:
        weight = pool["window"]["mean_in_use"] or 1e-9
        for kind, share in pool["shares"].items():
            held[kind] += share * weight
    total = sum(held.values())
    return {kind: amount / total for kind, amount in held.most_common()} if total else {}
