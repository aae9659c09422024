"""A request's clients, for the many requests that never use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..aio.client import LeasedAsyncRedis
from ..client import LeasedRedis

__all__ = ["LazyAsyncRedis", "LazyRedis"]


class _Lends(Protocol):
    """A scope, to what is here."""

    def client(self, pool: Any) -> Any: ...


class _Becoming:
    """An object that becomes the client of `scope` when it is first used.

    Until then there is no lease, no pool was looked for, and nothing of redis-py's
    client is set up: a request without Redis pays for one small object.
    """

    def __init__(self, scope: _Lends, find_pool: Callable[[], Any]) -> None:
        self._becomes = scope, find_pool

    def __getattribute__(self, name: str) -> Any:
        """Become the client, whatever is asked for first; what Python itself looks at aside.

        Not `__getattr__`, which is asked for what is missing only: a cluster's client has
        methods of the same names that do something else (DEL of keys on several nodes).
        """
        if name == "_becomes" or name.startswith("__"):
            return object.__getattribute__(self, name)
        becomes = vars(self).get("_becomes")
        if becomes is not None:  # else another thread was quicker
            scope, find_pool = becomes
            client = scope.client(find_pool())
            # One in all but identity from here on, and as fast. After each step another
            # thread finds either this or a client with its attributes.
            self.__dict__.update(client.__dict__)
            self.__class__ = type(client)
            self.__dict__ = client.__dict__
        return getattr(self, name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, not used yet>"

    def __del__(self, *_args: Any) -> None:
        """Do nothing; redis-py's would use the client, to close it."""


class LazyRedis(_Becoming, LeasedRedis):
    """A leased client for threads that is made at its first use."""


class LazyAsyncRedis(_Becoming, LeasedAsyncRedis):  # type: ignore[misc]  # redis-py's own bases
    """A leased client for coroutines that is made at its first use, in their event loop."""
