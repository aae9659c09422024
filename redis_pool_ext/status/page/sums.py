"""Pools of several processes in sum: the same pool is what has alias, kind and server in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from math import ceil, floor
from typing import Any

from ...histogram import Histogram
from ...stats import REFUSALS
from ..report import no_longer_than

__all__ = ["in_sum", "key_of"]

Pool = dict[str, Any]
Sample = dict[str, Any]

_TIMES = ("waits", "holds", "creates")
_CIRCUITS = ("closed", "probing", "open")  # from good to bad
_ANY = ("is_paused",)
_ALL = ("is_closed",)
_KEPT = ("alias", "generation")
# Of a sample: what is at its end, and what happened in it.
_LEVELS = ("in_use", "idle", "connecting", "waiting", "peak", "longest_queue")
_HAPPENED = ("arrivals", "acquired", "refused", "waited")
_PERCENTILES = ("waits_p50", "waits_p99", "holds_p50", "holds_p99")
_WINDOW = (*_HAPPENED, "mean_in_use", "arrivals_per_second")

# Seconds that a process's last sample may be older than the newest: it takes none any more.
_LATE = 5.0


def key_of(pool: Pool) -> tuple[str, str, str]:
    """Return what is the same of a pool in each process that has it."""
    return pool["alias"], pool["kind"], pool["server"]


def in_sum(reports: Iterable[dict[str, Any]]) -> list[Pool]:
    """Return each pool of these processes' reports once, "default" first.

    A pool's `holders` and `advice` know their process. Where several have it, peaks are the
    sum of theirs, which need not have come at the same moment.
    """
    found = [_with_process(pool, each) for each in reports for pool in each["pools"]]
    found.sort(key=_place)
    return [_sum(list(same)) for _, same in groupby(found, key=_place)]


def _place(pool: Pool) -> tuple[Any, ...]:
    return pool["alias"] != "default", *key_of(pool)


def _with_process(pool: Pool, report: dict[str, Any]) -> Pool:
    pid = report["process"]["pid"]
    refused = sum(pool["stats"][name] for name in REFUSALS)
    return pool | {
        "processes": [pid],
        "stats": pool["stats"] | {"refused": refused},
        "holders": [holder | {"pid": pid} for holder in pool["holders"]],
        "advice": [pool["advice"] | {"pid": pid}],
    }


def _sum(pools: list[Pool]) -> Pool:
    if len(pools) == 1:
        return pools[0]
    stats = _sum_of_stats([pool["stats"] for pool in pools])
    holders = [holder for pool in pools for holder in pool["holders"]]
    return pools[0] | {
        "processes": [pid for pool in pools for pid in pool["processes"]],
        "stats": stats,
        "window": no_longer_than(
            stats["wait_seconds_max"], _sum_of_windows([pool["window"] for pool in pools])
        ),
        "samples": sum_of_samples([pool["samples"] for pool in pools if pool["samples"]]),
        "holders": sorted(holders, key=lambda holder: -holder["seconds"]),
        "shares": _sum_of_shares(pools),
        "advice": [advice for pool in pools for advice in pool["advice"]],
    }


def _sum_of_stats(each: list[dict[str, Any]]) -> dict[str, Any]:
    first = each[0]
    special = {*_TIMES, *_ANY, *_ALL, *_KEPT, "circuit", "wait_seconds_max", "discarded"}
    total = {name: sum(s[name] for s in each) for name in first if name not in special}
    total |= {name: first[name] for name in _KEPT}
    total["circuit"] = max((s["circuit"] for s in each), key=_CIRCUITS.index)
    total["wait_seconds_max"] = max(s["wait_seconds_max"] for s in each)
    total |= {name: any(s[name] for s in each) for name in _ANY}
    total |= {name: all(s[name] for s in each) for name in _ALL}
    total |= {name: _sum_of_times(s[name] for s in each).as_dict() for name in _TIMES}
    discarded: Counter[str] = Counter()
    for stats in each:
        discarded.update(stats["discarded"])
    return total | {"discarded": dict(discarded)}


def _sum_of_windows(each: list[dict[str, Any]]) -> dict[str, Any]:
    total = {name: sum(window[name] for window in each) for name in _WINDOW}
    total["seconds"] = max(window["seconds"] for window in each)
    for name in ("peak", "longest_queue"):
        total[name] = sum(window[name] for window in each)
    for name in ("waits", "holds"):
        times = _sum_of_times(window[name] for window in each)
        total |= {
            name: times.as_dict(),
            f"{name}_mean": times.mean,
            f"{name}_p50": times.quantile(0.5),
            f"{name}_p99": times.quantile(0.99),
        }
    return total


def _sum_of_times(each: Iterable[dict[str, Any]]) -> Histogram:
    first, *others = (Histogram.of(times["counts"], times["seconds"]) for times in each)
    return sum(others, first)


def _sum_of_shares(pools: list[Pool]) -> dict[str, float]:
    """Weigh each process's shares by how much of the pool was in use there."""
    total: dict[str, float] = {}
    for pool in pools:
        weight = pool["window"]["mean_in_use"] or 1e-9
        for kind, share in pool["shares"].items():
            total[kind] = total.get(kind, 0.0) + share * weight
    whole = sum(total.values()) or 1.0
    largest = sorted(total.items(), key=lambda each: -each[1])
    return {kind: part / whole for kind, part in largest}


def sum_of_samples(each: list[list[Sample]]) -> list[Sample]:
    """Return a sample for each whole second that all of them have told of.

    A process samples when it comes to it, not at whole seconds: each second takes its sample that
    covers it, what happened in there as a rate.
    """
    newest = max((samples[-1]["at"] for samples in each), default=0.0)
    each = [samples for samples in each if samples[-1]["at"] > newest - _LATE]
    if not each:
        return []
    start = min(ceil(samples[0]["at"] - samples[0]["seconds"]) for samples in each)
    end = min(floor(samples[-1]["at"]) for samples in each)
    positions = [0] * len(each)
    total = []
    for moment in range(start, end + 1):
        there = []
        for number, samples in enumerate(each):
            while samples[positions[number]]["at"] < moment:
                positions[number] += 1
            sample = samples[positions[number]]
            if sample["at"] - sample["seconds"] <= moment:
                there.append(sample)
        if there:
            total.append(_sum_at(float(moment), there))
    return total


def _sum_at(moment: float, samples: list[Sample]) -> Sample:
    return {
        "at": moment,
        "seconds": 1.0,
        **{name: sum(each[name] for each in samples) for name in _LEVELS},
        **{name: sum(each[name] / each["seconds"] for each in samples) for name in _HAPPENED},
        **{name: max(each[name] for each in samples) for name in _PERCENTILES},
        "looks": 1,
        "used": sum(each["used"] / each["looks"] for each in samples if each["looks"]),
    }
