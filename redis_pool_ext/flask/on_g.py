"""What is on `g`: the client, once somebody looks there, and what a view has chosen."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis
from flask import Flask, g, has_request_context, request

from ..client import LeasedRedis
from ..pool import RedisPool
from ..process import client_of, get_redis
from ..web.view_policy import ViewPolicy
from .state import state_of_current_app

__all__ = [
    "choice_kept",
    "choose",
    "chosen_client",
    "chosen_policy",
    "find_default_client",
    "put_on_g",
    "take_off_g",
]

FindPool = Callable[[], RedisPool]
FindClient = Callable[[], redis.Redis]

_NAME = "redis"
_CHOICE = "_redis_pool_ext_choice"


def put_on_g(app: Flask, find_pool: FindPool | None) -> None:
    """Let `g.redis` be the client, in contexts of `app`; what the project sets there wins.

    Without a pool "default" it is there only where a view has chosen one.
    """

    class Globals(app.app_ctx_globals_class):  # type: ignore[misc, name-defined]
        redis = _Client(find_pool)

    app.app_ctx_globals_class = Globals


def take_off_g(own: dict[str, Any]) -> None:
    """Forget the client when its lease ends: `g` may be used again, with another one."""
    if type(own.get(_NAME)) is LeasedRedis:  # isinstance() is slow: redis-py's are Protocols
        del own[_NAME]


class _Choice(NamedTuple):
    """What holds for one request: requests in one outer app context share its `g`."""

    request: object
    policy: ViewPolicy
    find_client: FindClient | None


def choose(policy: ViewPolicy, find_client: FindClient | None) -> None:
    """Let a policy hold for the running request, and what it finds be its client.

    None: the client is the one that it was.
    """
    own = vars(g._get_current_object())
    if find_client is None:
        find_client = chosen_client(own)
    else:
        take_off_g(own)
    own[_CHOICE] = _Choice(_current_request(), policy, find_client)


@contextmanager
def choice_kept() -> Generator[None, None, None]:
    """Put back at the end of the block what was chosen at its beginning: requests share a `g`."""
    own = vars(g._get_current_object())
    before = own.get(_CHOICE)
    try:
        yield
    finally:
        own[_CHOICE] = before
        if before is not None:
            take_off_g(own)


def chosen_client(own: dict[str, Any]) -> FindClient | None:
    """Return how to find the client that was chosen for the running request, if one was."""
    choice = _choice(own)
    return None if choice is None else choice.find_client


def chosen_policy(own: dict[str, Any]) -> ViewPolicy | None:
    """Return the policy that holds for the running request, if there is one."""
    choice = _choice(own)
    return None if choice is None else choice.policy


def find_default_client() -> redis.Redis:
    """Return the client of the pool "default"; raises `RuntimeError` where there is no app."""
    find_pool = state_of_current_app().find_default
    return get_redis() if find_pool is None else client_of(find_pool())


def _choice(own: dict[str, Any]) -> _Choice | None:
    choice: _Choice | None = own.get(_CHOICE)
    return choice if choice is not None and choice.request is _current_request() else None


def _current_request() -> object:
    return request._get_current_object() if has_request_context() else None  # type: ignore[attr-defined]


class _Client:
    """The attribute of the class; one of the instance, once there is a lease, is quicker."""

    def __init__(self, find_pool: FindPool | None) -> None:
        self._find_pool = find_pool

    def __get__(self, own: Any, _owner: Any = None) -> redis.Redis:
        chosen = chosen_client(vars(own))
        if chosen is not None:
            return chosen()  # which may end before `g` does, so it is not kept there
        if self._find_pool is None:
            raise AttributeError(_NAME)  # as Flask says it
        client = client_of(self._find_pool())
        if type(client) is LeasedRedis:
            setattr(own, _NAME, client)
        return client
