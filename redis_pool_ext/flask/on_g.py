"""`g.redis`: nothing is put on `g` until somebody looks there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from flask import Flask

from ..client import LeasedRedis
from ..pool import RedisPool
from ..process import client_of

__all__ = ["put_on_g", "take_off_g"]

_NAME = "redis"


def put_on_g(app: Flask, find_pool: Callable[[], RedisPool]) -> None:
    """Let `g.redis` be the client, in contexts of `app`; what the project sets there wins."""

    class Globals(app.app_ctx_globals_class):  # type: ignore[misc, name-defined]
        redis = _Client(find_pool)

    app.app_ctx_globals_class = Globals


def take_off_g(own: dict[str, Any]) -> None:
    """Forget the client when its lease ends: `g` may be used again, with another one."""
    if type(own.get(_NAME)) is LeasedRedis:  # isinstance() is slow: redis-py's are Protocols
        del own[_NAME]


class _Client:
    """The attribute of the class; one of the instance, once there is a lease, is quicker."""

    def __init__(self, find_pool: Callable[[], RedisPool]) -> None:
        self._find_pool = find_pool

    def __get__(self, own: Any, _owner: Any = None) -> redis.Redis:
        client = client_of(self._find_pool())
        if type(client) is LeasedRedis:
            setattr(own, _NAME, client)
        return client
