"""The pool's own numbers, as the panel on the page shows them."""

from __future__ import annotations

from typing import Any

from redis_pool_ext import get_pool


def pool_panel() -> dict[str, Any]:
    """Return sizes and counts for the page and its JSON; talks to no Redis.

    That is why the panel stays alive while every connection is taken.
    """
    stats = get_pool().stats()
    return {
        "max": stats.max_connections,
        "in_use": stats.in_use,
        "idle": stats.idle,
        "waiting": stats.waiting,
        "timeouts": stats.timed_out,
        "slots": _slots(stats.in_use, stats.idle + stats.connecting, stats.max_connections),
    }


def _slots(in_use: int, idle: int, most: int) -> list[str]:
    """Return one word per connection the pool may have; "unused" was never needed yet."""
    return ["busy"] * in_use + ["idle"] * idle + ["unused"] * (most - in_use - idle)
