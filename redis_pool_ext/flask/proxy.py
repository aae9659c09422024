"""`current_redis`: the client of the request that is being served right here."""

from __future__ import annotations

import redis
from werkzeug.local import LocalProxy

from ..process import client_of, get_redis
from .state import state_of_current_app

__all__ = ["current_redis"]


def _leased_client() -> redis.Redis:
    find_default = state_of_current_app().find_default
    return get_redis() if find_default is None else client_of(find_default())


# The leased client of the pool "default", as `g.redis`; importable from anywhere.
current_redis: redis.Redis = LocalProxy(_leased_client)  # type: ignore[assignment]
