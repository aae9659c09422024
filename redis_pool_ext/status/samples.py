"""The samples of one pool in several processes, in sum."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

__all__ = ["sum_of_samples"]

Sample = dict[str, Any]

# What is at a sample's end, and what happened in it.
_LEVELS = ("in_use", "idle", "connecting", "waiting", "peak", "longest_queue")
_HAPPENED = ("arrivals", "acquired", "refused", "waited")
_PERCENTILES = ("waits_p50", "waits_p99", "holds_p50", "holds_p99")

# Seconds that a process's last sample may be older than the newest: it takes none any more.
_LATE = 5.0


def sum_of_samples(each: list[list[Sample]]) -> list[Sample]:
    """Return a sample for each whole second that all of them have told of; one's as they are.

    A process samples when it comes to it, not at whole seconds: each second takes its sample that
    covers it, what happened in there as a rate.
    """
    each = [samples for samples in each if samples]
    if len(each) == 1:
        return each[0]
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
