"""Liveness and readiness, for load balancers and Kubernetes.

Alive is a process that answers: that needs no Redis, no pool and no lock. Ready is one whose
pools can do work: how full they are is known without asking, and whether the server is there
is asked only where nothing was heard of it in the last second, on a connection that is idle
or has room, never in the queue. So a probe takes no part in the starvation that it reports, and
answers within its `timeout` whatever the server does.

The wings make a response of what is returned here; they have no other part in it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..aio.loops import get_async_pool
from ..cluster.pool import ClusterPool
from ..config import ConfigError
from ..deadline import Deadline
from ..http import Answer
from ..pool import RedisPool
from ..pooling.base import PoolBase
from ..process import aliases, config_for, find_pool, get_pool
from ..stats import PoolStats
from .hearsay import HEARD_FOR, Hearsay, hearsay_of
from .policy import BAD, HealthPolicy

__all__ = ["alive", "aready", "ready"]

_NUMBERS = ("max_connections", "in_use", "idle", "connecting", "waiting", "circuit")
_HEADERS = {"Cache-Control": "no-store"}

_Pool = PoolBase | ClusterPool


class _Look(NamedTuple):
    """A pool's state in one word, and its numbers."""

    state: str
    stats: PoolStats


def alive() -> Answer:
    """Return the answer of a process that can answer: 200."""
    return _answer(200, {"status": "alive"})


def ready(policy: HealthPolicy, query: Mapping[str, str]) -> Answer:
    """Look at the pools that have to be ready, ask where that is needed, and answer.

    200 for `ready` and `degraded`, 503 for `unready`, 400 for a query that is mistaken.
    """
    try:
        policy = _chosen(policy, query)
    except ConfigError:
        return _mistaken()
    looks = {alias: _look(get_pool(alias), time) for alias, time in _shared_out(policy)}
    return _verdict(looks, policy)


async def aready(policy: HealthPolicy, query: Mapping[str, str]) -> Answer:
    """Do the same as `ready` in an event loop, of whose pools the server is asked."""
    try:
        policy = _chosen(policy, query)
    except ConfigError:
        return _mistaken()
    looks = {alias: await _alook(alias, time) for alias, time in _shared_out(policy)}
    return _verdict(looks, policy)


def _chosen(policy: HealthPolicy, query: Mapping[str, str]) -> HealthPolicy:
    policy = policy.asked(query)
    for alias in policy.pools or ():
        config_for(alias)  # which says that there is none
    return policy


def _shared_out(policy: HealthPolicy) -> Iterator[tuple[str, float]]:
    """Yield each alias, and how long the server may be asked: what the others left is shared."""
    names = aliases() if policy.pools is None else policy.pools
    deadline = Deadline(policy.timeout)
    for number, alias in enumerate(names):
        yield alias, deadline.remaining() / (len(names) - number)


# -- one pool ------------------------------------------------------------------------------


def _look(pool: RedisPool, timeout: float) -> _Look:
    """Say how a pool is; ask its server where nothing was heard of it lately."""
    seen = _seen(pool)
    if seen is not None:
        return _Look(seen, pool.stats())
    hearsay = hearsay_of(pool)
    with hearsay.asking() as is_mine:
        if is_mine and pool.probe(timeout):
            hearsay.note("ok")
    return _after(hearsay, pool)


async def _alook(alias: str, timeout: float) -> _Look:
    """Do the same in an event loop; a pool for threads that is used beside it is seen, too."""
    if config_for(alias).is_cluster:  # which has none for event loops
        return await asyncio.to_thread(_look, get_pool(alias), timeout)
    pool, beside = get_async_pool(alias), find_pool(alias)
    if beside is not None and (fault := _fault(beside)) is not None:
        return _Look(fault, beside.stats())
    seen = _seen(pool)
    if seen is not None:
        return _Look(seen, pool.stats())
    hearsay = hearsay_of(pool)
    with hearsay.asking() as is_mine:
        if is_mine and await pool.probe(timeout):
            hearsay.note("ok")
    return _after(hearsay, pool)


def _after(hearsay: Hearsay, pool: _Pool) -> _Look:
    """Return what is known after a question, or without one.

    Of a pool that nothing could be asked on, because it is at its limit, that is all: what was
    heard of its server before is of another day, perhaps.
    """
    is_busy = not hearsay.is_fresh and all(map(_has_no_room, _each(pool)))
    return _Look("busy" if is_busy else hearsay.word, pool.stats())


def _seen(pool: _Pool) -> str | None:
    """Return the state as far as it is known without asking; None: ask."""
    fault = _fault(pool)
    if fault is not None:
        return fault
    is_reached = all(stats.circuit == "closed" for stats in _each(pool))
    if not (is_reached and pool.heard_within(HEARD_FOR)):
        return None
    hearsay_of(pool).note("ok")
    return "ok"


def _fault(pool: _Pool) -> str | None:
    """Return what is wrong with the pool itself, whatever the server does."""
    each = _each(pool)
    if pool.is_closed:
        return "closed"
    if any(stats.is_paused for stats in each):
        return "paused"
    return "saturated" if any(stats.waiting and _has_no_room(stats) for stats in each) else None


def _has_no_room(stats: PoolStats) -> bool:
    return not stats.idle and stats.in_use + stats.connecting >= stats.max_connections


def _each(pool: _Pool) -> list[PoolStats]:
    """Return the numbers of a pool, of a cluster those of each of its nodes."""
    if isinstance(pool, ClusterPool):
        return list(pool.node_stats().values()) or [pool.stats()]
    return [pool.stats()]


# -- the answer ----------------------------------------------------------------------------


def _verdict(looks: dict[str, _Look], policy: HealthPolicy) -> Answer:
    bad = {look.state for look in looks.values() if look.state in BAD}
    status = "ready" if not bad else "degraded" if bad <= policy.degraded else "unready"
    tell = _detailed if policy.details else _in_a_word
    pools = {alias: tell(look) for alias, look in looks.items()}
    return _answer(503 if status == "unready" else 200, {"status": status, "pools": pools})


def _in_a_word(look: _Look) -> Any:
    return look.state


def _detailed(look: _Look) -> Any:
    return {"state": look.state} | {name: getattr(look.stats, name) for name in _NUMBERS}


def _mistaken() -> Answer:
    """Answer a query that names what there is not; a probe with a typing error must not pass."""
    return _answer(400, {"status": "mistaken", "error": "no such pool, or no such state"})


def _answer(status: int, body: dict[str, Any]) -> Answer:
    return Answer(status, dict(_HEADERS), "application/json", json.dumps(body) + "\n")
