"""The page's numbers: of the process that answers, of another one, or of all in sum."""

from __future__ import annotations

import os
import time
from typing import Any

from ...sizing.history import SECONDS
from ..fleet import ask_processes
from ..report import process_report
from ..samples import sum_of_samples
from ..sums import groups_of, sum_of

__all__ = ["status"]

Report = dict[str, Any]

# Seconds that other processes have to answer in.
_PATIENCE = 0.5


def status(which: str, since: float) -> dict[str, Any]:
    """Return what the page shows: `which` is "this", "all" or a process id.

    `processes` are all of this one's project, `pools` those of the process
    that is `shown`, with the samples taken after `since` (seconds since the epoch). One that is
    gone, or does not answer, has no pools, and `error` says so.
    """
    if which == str(os.getpid()):
        which = "this"
    samples = _samples_since(since)
    this = process_report(samples=samples)
    others = ask_processes(
        samples=0 if which == "this" else samples, timeout=_PATIENCE, this_one=False
    )
    since = max(since, this["at"] - SECONDS)
    reports = [this, *(_as_far_as_ours(this, each) for each in others if _is_related(this, each))]
    shown, error = _chosen(reports, which)
    return {
        "format": this["format"],
        "version": this["version"],
        "at": time.time(),
        "answered_by": this["process"]["pid"],
        "shown": which if which == "all" else int(which if which != "this" else _pid(this)),
        "error": error,
        "processes": [_brief(each) for each in sorted(reports, key=_pid)],
        "pools": [_pool(group, since) for group in groups_of(shown)],
    }


def _samples_since(since: float) -> int:
    # A few more than are shown: processes do not take them at the same moments.
    return max(1, min(SECONDS, int(time.time() - since) + 6))


def _is_related(this: Report, other: Report) -> bool:
    """Tell whether a process belongs to the project of this one.

    Others of the same user may be somebody else's, who is no staff there. One that does not
    answer tells nothing but its number.
    """
    ours = set(this["process"]["projects"])
    return "error" in other or not ours.isdisjoint(other["process"]["projects"])


def _as_far_as_ours(this: Report, other: Report) -> Report:
    """Leave out the pools of other projects that a process serves beside this one's.

    Known as ours are those that this process has made.
    """
    if "error" in other or set(other["process"]["projects"]) <= set(this["process"]["projects"]):
        return other
    ours = {(pool["alias"], pool["server"]) for pool in this["pools"]}
    return other | {
        "pools": [pool for pool in other["pools"] if (pool["alias"], pool["server"]) in ours]
    }


def _chosen(reports: list[Report], which: str) -> tuple[list[Report], str | None]:
    if which == "all":
        return reports, None
    if which == "this":
        return reports[:1], None
    found = [each for each in reports if _pid(each) == int(which)]
    error = found[0].get("error") if found else "is gone, or is of another project"
    return found, error and f"process {which} {error}"


def _brief(report: Report) -> dict[str, Any]:
    return {
        **{"program": "", "host": "", "started": None},
        **report["process"],
        "error": report.get("error"),
        "pools": [_sizes(pool) for pool in report["pools"]],
    }


def _sizes(pool: dict[str, Any]) -> dict[str, Any]:
    stats = pool["stats"]
    names = ("in_use", "idle", "connecting", "waiting", "max_connections", "acquired")
    return {"alias": pool["alias"], "kind": pool["kind"], **{name: stats[name] for name in names}}


def _pool(group: list[dict[str, Any]], since: float) -> dict[str, Any]:
    samples = sum_of_samples([each["samples"] for each in group])
    return sum_of(group) | {"samples": [each for each in samples if each["at"] > since]}


def _pid(report: Report) -> int:
    pid: int = report["process"]["pid"]
    return pid
