"""What is on `g`: the client, once somebody looks there, and the pool that a view has chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from flask import Flask, g, has_request_context, request

from ..client import LeasedRedis
from ..pool import RedisPool
from ..process import client_of

__all__ = ["choose_pool", "chosen_pool", "put_on_g", "take_off_g"]

FindPool = Callable[[], RedisPool]

_NAME = "redis"
_CHOICE = "_redis_pool_ext_choice"


def put_on_g(app: Flask, find_pool: FindPool) -> None:
    """Let `g.redis` be the client, in contexts of `app`; what the project sets there wins."""

    class Globals(app.app_ctx_globals_class):  # type: ignore[misc, name-defined]
        redis = _Client(find_pool)

    app.app_ctx_globals_class = Globals


def take_off_g(own: dict[str, Any]) -> None:
    """Forget the client when its lease ends: `g` may be used again, with another one."""
    if type(own.get(_NAME)) is LeasedRedis:  # isinstance() is slow: redis-py's are Protocols
        del own[_NAME]


def choose_pool(find_pool: FindPool) -> None:
    """Let another pool be the one of `current_redis` and `g.redis`, for the running request."""
    own = vars(g._get_current_object())
    take_off_g(own)
    own[_CHOICE] = _current_request(), find_pool


def chosen_pool(own: dict[str, Any]) -> FindPool | None:
    """Return how to find the pool that was chosen for the running request, if one was.

    Requests in one outer app context share its `g`, and each chooses for itself.
    """
    choice = own.get(_CHOICE)
    return choice[1] if choice is not None and choice[0] is _current_request() else None


def _current_request() -> object:
    return request._get_current_object() if has_request_context() else None  # type: ignore[attr-defined]


class _Client:
    """The attribute of the class; one of the instance, once there is a lease, is quicker."""

    def __init__(self, find_pool: FindPool) -> None:
        self._find_pool = find_pool

    def __get__(self, own: Any, _owner: Any = None) -> redis.Redis:
        chosen = chosen_pool(vars(own))
        client = client_of((chosen or self._find_pool)())
        if type(client) is LeasedRedis and chosen is None:  # a choice may end before `g` does
            setattr(own, _NAME, client)
        return client
