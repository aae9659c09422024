"""What is to be said of the pools, by what the processes tell of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from ..totals import groups_by_server, total_of
from ..words import exhaustion, many
from ..words import time as said
from .findings import ERROR, NOTE, OK, WARNING, Finding

__all__ = ["findings_in"]

Reports = list[dict[str, Any]]


def findings_in(reports: Reports, silent: Reports, nobody: str) -> Iterator[Finding]:
    """Yield what there is to say of all processes, then of each pool."""
    yield from _processes(reports, silent, nobody)
    for group in groups_by_server(reports):
        yield from _of_pool(total_of(group), group)


def _processes(reports: Reports, silent: Reports, nobody: str) -> Iterator[Finding]:
    for report in silent:
        pid = report["process"]["pid"]
        yield Finding(
            check="processes", level=ERROR, about=f"process {pid}", text=report["error"],
            way_out="py-spy dump shows where it hangs; restart it",
        )  # fmt: skip
    if reports:
        named = Counter(report["process"]["program"] for report in reports)
        listed = ", ".join(f"{count} x {name}" for name, count in named.items())
        text = f"{many(len(reports), 'process', 'processes')} answered: {listed}"
        pids = [report["process"]["pid"] for report in reports]
        yield Finding(check="processes", level=OK, about=None, text=text, numbers={"pids": pids})
    elif not silent:
        yield Finding(check="processes", level=NOTE, about=None, text=nobody)


def _of_pool(total: dict[str, Any], pools: list[dict[str, Any]]) -> Iterator[Finding]:
    alias = total["alias"]
    for check, function in (
        ("exhausted", _exhausted),
        ("circuit", _circuit),
        ("leaks", _leaks),
        ("releases", _releases),
        ("discards", _discards),
        ("size", _size),
    ):
        level, text, way_out, numbers = function(total, pools)
        yield Finding(check=check, level=level, about=alias, text=text, way_out=way_out,
                      numbers=numbers)  # fmt: skip


Found = tuple[str, str, str | None, dict[str, Any]]
Pools = Iterable[dict[str, Any]]


def _exhausted(total: dict[str, Any], _pools: Pools) -> Found:
    numbers = {
        "in_use": total["in_use"], "max_connections": total["max_connections"],
        "waiting": total["waiting"], "refused": total["last_minute"]["refused"],
        "shares": total["shares"],
    }  # fmt: skip
    if words := exhaustion(total):
        level = ERROR if total["last_minute"]["refused"] else WARNING
        return level, words, "raise MAX_CONNECTIONS (see size), or hold leases shorter", numbers
    refused = total["refused"]
    return OK, f"nobody was refused in the last minute ({refused:,} in all)", None, numbers


def _circuit(_total: dict[str, Any], pools: Pools) -> Found:
    states = Counter(pool["stats"]["circuit"] for pool in pools)
    numbers = {"states": dict(states)}
    not_closed = sum(states.values()) - states["closed"]
    if not_closed:
        text = f"the circuit is open in {not_closed} of {many(sum(states.values()), 'pool')}"
        return ERROR, f"{text}: the server could not be dialled", "see reachable, and ping", numbers
    return OK, "the server is reached (circuit closed)", None, numbers


def _leaks(total: dict[str, Any], pools: Pools) -> Found:
    is_looking = any(pool["settings"]["leak_detection_threshold"] for pool in pools)
    numbers = {"leaked": total["leaked"], "is_looking": is_looking}
    if total["leaked"]:
        text = f"{many(total['leaked'], 'connection')} kept for longer than the threshold"
        return WARNING, text, "the log names who has each, and where it was taken", numbers
    if not is_looking:
        return OK, "nobody looks for leaks (LEAK_DETECTION_THRESHOLD is not set)", None, numbers
    return OK, "no connection was kept for too long", None, numbers


def _releases(total: dict[str, Any], _pools: Pools) -> Found:
    twice = total["double_releases"]
    numbers = {"double_releases": twice}
    if twice:
        text = f"{many(twice, 'connection')} given back twice, which was refused"
        way_out = "look for code that calls release() by hand; the error's traceback shows where"
        return WARNING, text, way_out, numbers
    return OK, "no connection was given back twice", None, numbers


def _discards(_total: dict[str, Any], pools: Pools) -> Found:
    why: Counter[str] = Counter()
    for pool in pools:
        why.update(pool["stats"]["discarded"])
    numbers = {"discarded": dict(why)}
    if why["dirty"]:
        text = f"{many(why['dirty'], 'connection')} closed, having come back with something on them"
        way_out = "the log names the view: it left a WATCH, SELECT, MULTI or an unread reply"
        return WARNING, text, way_out, numbers
    listed = ", ".join(f"{reason} {count:,}" for reason, count in why.most_common())
    return OK, f"closed connections: {listed or 'none'}", None, numbers


def _size(total: dict[str, Any], pools: Pools) -> Found:
    told = [pool["advice"] for pool in pools]
    sizes = [advice["size"] for advice in told if advice["size"] is not None]
    now = max(advice["max_connections"] for advice in told)
    numbers: dict[str, Any] = {
        "max_connections": now, "size": max(sizes, default=None),
        "processes": total["processes"], "in_all": None, "max_in_all": total["max_connections"],
        "target": told[0]["target"],
    }  # fmt: skip
    if not sizes:
        return OK, told[0]["text"], None, numbers
    hardest = max(told, key=lambda advice: advice["size"] or 0)
    in_all = sum(advice["size"] or advice["max_connections"] for advice in told)
    numbers["in_all"] = in_all
    text = hardest["text"]
    if len(told) > 1:
        text = f"per process: {text}; in all {in_all}, now {total['max_connections']}"
    size = numbers["size"]
    aim = f"for a wait of {said(told[0]['target'])} at p99"
    if size > now:
        return WARNING, text, f"set MAX_CONNECTIONS to {size} {aim}", numbers
    if size < now:
        return NOTE, text, f"MAX_CONNECTIONS {size} would do {aim}; spare ones cost little", numbers
    return OK, text, None, numbers
