"""`current_redis`: the client of the request that is being served right here."""

from __future__ import annotations

import redis
from werkzeug.local import LocalProxy

from ..client import LeasedRedis
from ..process import client_of, get_redis
from .on_g import chosen_client
from .state import find_state_and_g, state_of_current_app

__all__ = ["current_redis"]


def _leased_client() -> redis.Redis:
    state, own = find_state_and_g()
    if state is None:
        state = state_of_current_app()  # which says what is missing
    find_client = chosen_client(own)
    if find_client is not None:
        return find_client()
    find_pool = state.find_default
    return get_redis() if find_pool is None else client_of(find_pool())


# The leased client of the pool "default", or of the one that the view has chosen, as
# `g.redis`; importable from anywhere. What it stands for it is to type checkers: in a context
# that is a leased client.
current_redis: LeasedRedis = LocalProxy(_leased_client)  # type: ignore[assignment]
