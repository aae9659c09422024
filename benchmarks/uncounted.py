"""The pool without its statistics: the same code, less the lines that count."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from redis_pool_ext import RedisPool
from redis_pool_ext.pooling.base import PoolBase

__all__ = ["UncountedPool"]


def _without(method: Callable[..., Any], *lines: str) -> Callable[..., Any]:
    """Return `method`, compiled anew without these lines. Raises `ValueError` if one is gone."""
    source = textwrap.dedent(inspect.getsource(method))
    for line in lines:
        if source.count(f"{line}\n") != 1:
            raise ValueError(f"{method.__qualname__} has no line {line!r} any more")
        source = source.replace(f"{line}\n", "pass\n")
    made: dict[str, Any] = {}
    exec(  # the package's own source
        compile(f"from __future__ import annotations\n{source}", inspect.getfile(method), "exec"),
        method.__globals__,
        made,
    )
    function: Callable[..., Any] = made[method.__name__]
    return function


class UncountedPool(RedisPool):
    """A `RedisPool` that counts nothing as a connection is taken and given back."""

    get_connection = _without(RedisPool.get_connection, "slot.tally.acquired += 1")
    release = _without(
        PoolBase.take_back,
        "tally, held = slot.tally, now - slot.taken_at",
        "tally.holds[bisect_left(BOUNDS, held)] += 1",
        "tally.hold_seconds += held",
    )
