"""A cache on the request's own Redis connection, as small as one can be.

Flask-Caching does the same and more: `docs/stack-flask.md` has the line that puts it on the pool.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from redis_pool_ext import get_redis

T = TypeVar("T")


def get_or_set(key: str, make: Callable[[], T], timeout: int) -> T:
    """Return what is kept as `key`, else what `make` returns, which is kept `timeout` seconds."""
    stored = get_redis().get(key)
    if stored is not None:
        kept: T = json.loads(stored)
        return kept
    made = make()
    get_redis().set(key, json.dumps(made), ex=timeout)
    return made


def delete(key: str) -> None:
    """Forget it."""
    get_redis().delete(key)
