"""Many pools' numbers as one pool's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from ..histogram import NOTHING
from ..stats import PoolStats

__all__ = ["in_all"]

# What is no sum; sizes are of pools that are there, totals of those that were there, too.
_SIZES = ("max_connections", "in_use", "idle", "connecting", "waiting")
_OTHERS = (
    "alias", "generation", "circuit", "is_closed", "is_paused", "wait_seconds_max", "discarded",
)  # fmt: skip
_TIMES = ("waits", "holds", "creates")
_NO_SUMS = (*_SIZES, *_OTHERS, *_TIMES)
_TOTALS = tuple(each.name for each in fields(PoolStats) if each.name not in _NO_SUMS)


def in_all(alias: str, present: Iterable[PoolStats], gone: Iterable[PoolStats] = ()) -> PoolStats:
    """Return the sum: sizes of the pools at `present`, totals of those that are `gone`, too.

    The circuit is the worst one: "open" if any node's is.
    """
    here = list(present)
    all_of_them = [*here, *gone]
    data: dict[str, Any] = {name: sum(getattr(each, name) for each in here) for name in _SIZES}
    data |= {name: sum(getattr(each, name) for each in all_of_them) for name in _TOTALS}
    data |= {name: sum((getattr(each, name) for each in all_of_them), NOTHING) for name in _TIMES}
    discarded: Counter[str] = Counter()
    for each in all_of_them:
        discarded.update(each.discarded)
    return PoolStats(
        **data,
        alias=alias,
        generation=max((each.generation for each in here), default=0),
        circuit=max((each.circuit for each in here), key=_badness, default="closed"),
        is_closed=bool(here) and all(each.is_closed for each in here),
        is_paused=any(each.is_paused for each in here),
        wait_seconds_max=max((each.wait_seconds_max for each in all_of_them), default=0.0),
        discarded=MappingProxyType(dict(discarded)),
    )


def _badness(circuit: str) -> int:
    return ("closed", "probing", "open").index(circuit)
