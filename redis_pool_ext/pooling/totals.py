"""The numbers of this process by alias: of all its pools of that name, and of those before them.

Several pools have one name: threads have one, each event loop has its own. To who looks at the
process from outside they are one pool, whose counters never step back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..sizing import bygone
from ..sizing.summing import in_all
from ..stats import PoolStats
from .base import PoolBase, every_pool

__all__ = ["Total", "keep_totals", "totals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """The sum of the pools of one alias: numbers, and how many may be kept idle, or are."""

    stats: PoolStats
    min_idle: int
    max_idle: int


def keep_totals() -> None:
    """Count those in from now on that are gone later; who asks for `totals` says so first."""
    bygone.keep()
    for pool in every_pool():
        bygone.remember(pool._ledger)


def totals() -> dict[str, Total]:
    """Return the sums, by alias."""
    # In this order: what is held here does not go meanwhile, and is not found a second time.
    pools = every_pool()
    gone = bygone.gone_books()
    aliases = sorted({pool.alias for pool in pools} | gone.keys())
    return {
        alias: _sum(alias, [pool for pool in pools if pool.alias == alias], gone.get(alias, []))
        for alias in aliases
    }


def _sum(alias: str, pools: list[PoolBase], gone: Iterable[PoolStats]) -> Total:
    is_open = [pool for pool in pools if not pool.is_closed]
    return Total(
        stats=in_all(alias, [_numbers(pool) for pool in pools], gone),
        min_idle=sum(pool.min_idle for pool in is_open),
        max_idle=sum(_max_idle(pool) for pool in is_open),
    )


def _numbers(pool: PoolBase) -> PoolStats:
    stats = pool.stats()
    # It lends none any more; those that are out still count.
    return replace(stats, max_connections=0) if stats.is_closed else stats


def _max_idle(pool: PoolBase) -> int:
    most = pool.life.max_idle
    return pool.max_connections if most is None else min(most, pool.max_connections)
