"""What is to be said of one server; each check is a function of the facts."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from ...status.clients import clients_by_name
from ..words import many
from ..words import time as said
from .facts import NO_TIME, Facts
from .findings import ERROR, NOTE, OK, WARNING, Finding

__all__ = ["findings_about"]

OLDEST = (6, 2)
ROOM = 0.8  # of maxclients, above which others soon have none
SLOW_ANSWER = 0.02  # seconds, at p99
SLOW_COMMAND = 0.1  # seconds; every other client waits meanwhile
RECENT = 3600.0  # seconds
FULL = 0.9  # of maxmemory
NAMES_MAX = 8  # that are told in a sentence
_NO_NAME = "(no name)"


def findings_about(facts: Facts) -> Iterator[Finding]:
    """Yield what there is to say, good and bad."""
    if facts.error is not None:
        yield Finding(
            check="reachable", level=ERROR, about=facts.name, text=facts.error,
            way_out=facts.way_out,
        )  # fmt: skip
    for check, function in _CHECKS.items():
        found = function(facts)
        if found is not None:
            level, text, way_out, numbers = found
            yield Finding(check=check, level=level, about=facts.name, text=text, way_out=way_out,
                          numbers=numbers)  # fmt: skip


Found = tuple[str, str, str | None, dict[str, Any]] | None


def _version(facts: Facts) -> Found:
    if facts.info is None:
        return _unseen(facts, "INFO")
    version = str(facts.info.get("redis_version", ""))
    numbers = {"version": version, "mode": facts.info.get("redis_mode")}
    server = f"{facts.info.get('server_name', 'redis').capitalize()} {version}"
    if tuple(int(each) for each in re.findall(r"\d+", version)[:2]) < OLDEST:
        return WARNING, f"{server} is older than 6.2", "upgrade the server", numbers
    return OK, server, None, numbers


def _maxclients(facts: Facts) -> Found:
    limit = _number(facts, "maxclients")
    if limit is None:
        return _unseen(facts, "CONFIG GET", "INFO")
    need = facts.need
    connected = (facts.info or {}).get("connected_clients")
    each = " + ".join(f"{alias} {size}" for alias, size in need.per_process.items())
    guess = " (none answers; see --workers)" if need.is_guess else ""
    numbers = {
        "maxclients": limit, "connected": connected, "workers": need.workers,
        "per_process": dict(need.per_process), "needed": need.connections,
    }  # fmt: skip
    text = (
        f"{many(need.workers, 'process', 'processes')}{guess} x ({each}) = {need.connections:,} "
        f"connections at most, of maxclients {limit:,}"
        + (f"; {connected:,} are connected now" if connected is not None else "")
    )
    # The server keeps 32 file descriptors to itself, and takes maxclients down by as many.
    way_out = f"raise maxclients above {need.connections}, or lower MAX_CONNECTIONS or the workers"
    if need.connections > limit:
        return ERROR, text, way_out, numbers
    if need.connections > ROOM * limit or (connected or 0) > ROOM * limit:
        return WARNING, text, way_out, numbers
    return OK, text, None, numbers


def _timeout(facts: Facts) -> Found:
    seconds = _number(facts, "timeout")
    if seconds is None:
        return _unseen(facts, "CONFIG GET")
    late = {
        config.alias: config.idle_timeout
        for config in facts.need.configs
        if config.idle_timeout is None or config.idle_timeout >= seconds
    }
    numbers = {"timeout": seconds, "idle_timeout": {c.alias: c.idle_timeout
                                                   for c in facts.need.configs}}  # fmt: skip
    if not seconds:
        return OK, "the server closes no idle connection (timeout 0)", None, numbers
    if not late:
        text = f"the server closes what idles for {seconds} s, and the pools do so before"
        return OK, text, None, numbers
    listed = ", ".join(f"{alias}: {_seconds(value)}" for alias, value in late.items())
    text = f"the server closes what idles for {seconds} s (timeout), before IDLE_TIMEOUT ({listed})"
    way_out = f"set IDLE_TIMEOUT below {seconds}, or the server's timeout to 0"
    return WARNING, text, way_out, numbers


def _keepalive(facts: Facts) -> Found:
    seconds = _number(facts, "tcp-keepalive")
    without = [
        config.alias
        for config in facts.need.configs
        if config.options.get("socket_keepalive", True) is False
    ]
    numbers = {"tcp_keepalive": seconds, "without": without}
    if facts.name.startswith("unix://"):
        return None
    if without:
        text = f"socket_keepalive is off: {', '.join(without)}; a peer that is gone goes unnoticed"
        return WARNING, text, "leave socket_keepalive out: the pool turns it on", numbers
    if seconds is None:
        return _unseen(facts, "CONFIG GET")
    if not seconds:
        text = "the server keeps the connections of clients that are gone (tcp-keepalive 0)"
        return WARNING, text, "set tcp-keepalive 300 on the server", numbers
    return OK, f"both sides ask after a silent peer (tcp-keepalive {seconds})", None, numbers


def _latency(facts: Facts) -> Found:
    times = sorted(facts.pings)
    if not times:
        return None
    p50, p99 = times[len(times) // 2], times[min(int(len(times) * 0.99), len(times) - 1)]
    numbers = {"pings": len(times), "p50": p50, "p99": p99}
    text = f"{many(len(times), 'PING')}: p50 {said(p50, 1e-6)}, p99 {said(p99, 1e-6)}"
    if p99 <= SLOW_ANSWER:
        return OK, text, None, numbers
    way_out = "bring the server nearer, look at slowlog, at swapping and at CPU steal there"
    return WARNING, text, way_out, numbers


def _memory(facts: Facts) -> Found:
    limit, used = _number(facts, "maxmemory"), (facts.info or {}).get("used_memory")
    policy = (facts.settings or {}).get("maxmemory-policy") or (facts.info or {}).get(
        "maxmemory_policy"
    )
    if limit is None or policy is None:
        return _unseen(facts, "CONFIG GET", "INFO")
    numbers = {"maxmemory": limit, "policy": policy, "used": used}
    uses = facts.need.uses
    if not limit:
        text = "no maxmemory: the server grows until the machine ends it"
        return NOTE, text, "set maxmemory, and a maxmemory-policy that fits what is kept", numbers
    text = f"maxmemory {limit:,} bytes, {used or 0:,} used, policy {policy}"
    if policy.startswith("allkeys") and "sessions" in uses:
        way_out = "keep sessions on a server of their own, with policy noeviction or volatile-ttl"
        return WARNING, f"{text}: sessions may be evicted", way_out, numbers
    if policy == "noeviction" and "cache" in uses:
        way_out = "set maxmemory-policy allkeys-lru (with sessions beside it: volatile-lru)"
        return WARNING, f"{text}: once it is full, the cache's writes fail", way_out, numbers
    if policy == "noeviction" and (used or 0) > FULL * limit:
        way_out = "raise maxmemory, or have keys expire"
        return ERROR, f"{text}: it is nearly full, and then writes fail", way_out, numbers
    return OK, text, None, numbers


def _clients(facts: Facts) -> Found:
    if facts.clients is None:
        return _unseen(facts, "CLIENT LIST")
    groups: dict[str, Counter[str]] = {}
    for (name, address), count in clients_by_name(facts.clients, facts.own_id).items():
        groups.setdefault(name or _NO_NAME, Counter())[address] += count
    counts = Counter({name: sum(addresses.values()) for name, addresses in groups.items()})
    numbers = {
        "connections": sum(counts.values()),
        "by_name": {name: dict(groups[name]) for name, _ in counts.most_common()},
    }
    listed = [
        f"{name} {count:,} (from {many(len(groups[name]), 'address', 'addresses')})"
        for name, count in counts.most_common(NAMES_MAX)
    ]
    more = len(counts) - NAMES_MAX
    text = f"{many(sum(counts.values()), 'connection')} beside this one"
    text += f": {', '.join(listed)}" if listed else ""
    text += f" and {many(more, 'other name')}" if more > 0 else ""
    named = all(config.options.get("client_name") for config in facts.need.configs)
    if _NO_NAME in groups and not named:
        way_out = "set client_name in OPTIONS: CLIENT LIST then tells whose they are"
        return NOTE, text, way_out, numbers
    return OK, text, None, numbers


def _slowlog(facts: Facts) -> Found:
    if facts.slow is None:
        return _unseen(facts, "SLOWLOG GET")
    since = time.time() - RECENT
    recent = [entry for entry in facts.slow if entry["start_time"] >= since]
    if not recent:
        return OK, "no slow command in the last hour", None, {"entries": 0}
    slowest = max(recent, key=lambda entry: entry["duration"])
    seconds = slowest["duration"] / 1e6
    command = _name_of(slowest["command"])
    numbers = {"entries": len(recent), "slowest": seconds, "command": command}
    text = f"{many(len(recent), 'slow command')} in the last hour, the slowest {command} with "
    text += said(seconds)
    if seconds < SLOW_COMMAND:
        return NOTE, text, "SLOWLOG GET shows them with their arguments", numbers
    way_out = "all clients wait meanwhile: SLOWLOG GET shows its arguments; use smaller steps"
    return WARNING, text, way_out, numbers


_CHECKS: dict[str, Callable[[Facts], Found]] = {
    "version": _version,
    "maxclients": _maxclients,
    "timeout": _timeout,
    "keepalive": _keepalive,
    "latency": _latency,
    "memory": _memory,
    "clients": _clients,
    "slowlog": _slowlog,
}


def _number(facts: Facts, name: str) -> int | None:
    """Return one of the server's settings, from whichever of its answers has it."""
    value = (facts.settings or {}).get(name)
    if value is None:
        value = (facts.info or {}).get(name)
    return None if value is None else int(value)


def _unseen(facts: Facts, *commands: str) -> Found:
    """Say that nobody may look: a managed server, say. It is no fault."""
    refused = {name: facts.refused[name] for name in commands if name in facts.refused}
    if not refused:
        if facts.error is not None:
            return None  # which was said
        return NOTE, f"the server does not tell it ({' and '.join(commands)})", None, {}
    if NO_TIME in refused.values():
        return NOTE, f"{NO_TIME} to look", "raise --timeout", {"refused": list(refused)}
    said_why = "; ".join(f"{name}: {words}" for name, words in refused.items())
    return NOTE, f"not allowed to look ({said_why})", None, {"refused": list(refused)}


def _name_of(command: Any) -> str:
    """Return the name of a command without its arguments, which hold users' data."""
    text = command.decode(errors="replace") if isinstance(command, bytes) else str(command)
    return text.split(" ", 1)[0][:32].upper()


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
