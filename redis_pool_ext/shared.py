# mypy: disable-error-code="no-untyped-call"
"""A client to be kept: other libraries hold on to it, and it finds its connection at each use.

Flask-Session, Flask-Caching, Flask-Limiter, django-redis and their like are given a client,
or a pool, when the program starts, and use it in every request. This one is in a request what
`request.redis` is, on the same connection, and elsewhere borrows one per command.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any, Self

import redis
from redis.client import CaseInsensitiveDict, Monitor, PubSub

from .budget import Budget
from .connection import GuardedConnection
from .errors import RedisPoolError
from .leasing.facade import Facade
from .leasing.locks import Lock, with_class
from .pool import RedisPool
from .pooling.interface import ConnectionPoolInterface
from .process import client_of, get_pool
from .scope import current_scope

__all__ = ["SharedPool", "SharedRedis", "shared_redis"]

FindPool = Callable[[], RedisPool]


def shared_redis(alias: str = "default") -> SharedRedis:
    """Return a client that may be made at import, kept for good, and used by all threads.

    Each use is one of `get_redis(alias)`, which looks the alias up then, and raises what
    that raises. For a library that wants a pool, its `connection_pool` is one of that kind.
    """
    return SharedRedis(find_pool=partial(get_pool, alias))


class _Shared:
    """Has nothing of its own but how to find the pool, so it is its own copy."""

    _find_pool: FindPool

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        # That of a configuration: a real one would copy a Flask application along.
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class SharedPool(_Shared, Facade, ConnectionPoolInterface):
    """The lease's pool of one inside a scope, the process's pool outside; decided at each use."""

    def __init__(self, find_pool: FindPool) -> None:
        self._find_pool = find_pool

    @property
    def pool(self) -> RedisPool:  # type: ignore[override]  # found, not kept
        """The process's pool, as the settings that hold right here have it."""
        return self._find_pool()

    @property
    def budget(self) -> Budget | None:
        """What may be spent right here on Redis: the scope's."""
        scope = current_scope()
        return None if scope is None else scope.budget

    @property
    def connection_kwargs(self) -> dict[str, Any]:
        """A copy of the pool's: RQ's worker writes its own `socket_timeout` there."""
        return dict(self.pool.connection_kwargs)

    def get_connection(
        self, command_name: str | None = None, *keys: Any, **options: Any
    ) -> GuardedConnection:
        """Take the lease's connection, or one of the pool's; the caller owes a `release`.

        Raises what `RedisPool.get_connection` and `Lease.get_connection` raise.
        """
        pool, scope = self.pool, current_scope()
        if not isinstance(pool, RedisPool):
            raise _no_one_connection(pool)
        lender = pool if scope is None else scope.client(pool).connection_pool
        connection = lender.get_connection()
        assert connection.slot is not None  # it is out
        connection.lender = weakref.ref(lender), connection.slot.taken_at
        return connection

    def release(self, connection: Any) -> None:
        """Give the connection back to whom it was taken from, wherever that was."""
        find_lender, taken_at = connection.lender
        lender = find_lender()
        if lender is not None:
            lender.release(connection)
        elif connection.slot is not None and connection.slot.taken_at == taken_at:
            # The lease was dropped, and has left it to whoever used it. One that has ended
            # gave it back: it may be somebody else's by now.
            if connection.budget is not None:
                connection.lend(None)
            connection.home().release(connection)

    def re_auth_callback(self, token: Any) -> None:
        """Tell the pool that credentials changed."""
        self.pool.re_auth_callback(token)

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Do nothing: the connections are everybody's. `RedisPool.drain` renews them."""

    def reset(self) -> None:
        """Do nothing, as `disconnect`."""

    def close(self) -> None:
        """Do nothing, as `disconnect`."""


def _no_one_connection(pool: Any) -> RedisPoolError:
    return RedisPoolError(
        f'"{pool.alias}" is a cluster, which has connections to each of its nodes: a library that '
        "takes a client can have shared_redis(), one that takes a pool cannot use it",
        alias=pool.alias,
    )


class SharedRedis(_Shared, redis.Redis):
    """A `redis.Redis` that has no connection of its own: each use is one of the client right here.

    Called as redis-py's class is, with redis-py's arguments, it makes a plain `redis.Redis`:
    libraries make another client of the same class, for another process.
    """

    # What redis-py's methods look at. Its constructor would ask for the pool, whose settings
    # may not be known yet where this is made.
    connection = None
    auto_close_connection_pool = False
    _single_connection_client = False

    is_degraded = False  # as of any client that no view has asked to go on without Redis

    _callbacks: Any = None  # where it was given some: those for replies, its own ones among them

    def __new__(cls, *args: Any, find_pool: FindPool | None = None, **kwargs: Any) -> Any:  # noqa: D102
        return redis.Redis(*args, **kwargs) if find_pool is None else super().__new__(cls)

    def __init__(  # pyright: ignore[reportInconsistentConstructor]  # see above
        self, *, find_pool: FindPool
    ) -> None:
        self._find_pool = find_pool
        self.connection_pool: SharedPool = SharedPool(find_pool)  # type: ignore[assignment]  # one to redis-py

    def __reduce__(self) -> Any:
        return partial(type(self), find_pool=self._find_pool), ()

    def _here(self) -> Any:
        client = client_of(self._find_pool())
        if self._callbacks is not None:
            client = copy(client)  # the same lease or pool, and nobody else's callbacks
            client.response_callbacks = self._callbacks
        return client

    # `execute_command` stays redis-py's: tracing tools wrap it.
    def _execute_command(self, *args: Any, **options: Any) -> Any:
        here = self._here()
        if isinstance(here, redis.Redis):
            return here._execute_command(*args, **options)
        return here.execute_command(*args, **options)  # of a cluster, the only way in

    def lock(self, *args: Any, **options: Any) -> Any:
        """Return redis-py's lock, which is for each use on the connection right here."""
        return super().lock(*args, **with_class(Lock, args, options))

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Any:
        """Return a pipeline: on the lease, or on a connection that it borrows."""
        return self._here().pipeline(transaction, shard_hint)

    def pubsub(self, **kwargs: Any) -> PubSub:
        """Return a PubSub on a connection of its own, which comes back with the lease, if any."""
        return self._here().pubsub(**kwargs)  # type: ignore[no-any-return]

    def monitor(self) -> Monitor:
        """Return a Monitor on a connection of its own, which comes back with the lease, if any."""
        return self._here().monitor()  # type: ignore[no-any-return]

    def client(self) -> SharedRedis:
        """Return another client of this kind."""
        return type(self)(find_pool=self._find_pool)

    @property
    def response_callbacks(self) -> Any:  # type: ignore[override]  # found, not kept
        """Those of the client right here, or its own."""
        return self._here().response_callbacks

    def set_response_callback(self, command: str, callback: Any) -> None:
        """Set a callback for this object alone; `json()`, `ts()`, `bf()` ... do so."""
        if self._callbacks is None:
            self._callbacks = CaseInsensitiveDict(self._here().response_callbacks)
        self._callbacks[command] = callback

    def close(self) -> None:
        """Do nothing: there is nothing of its own, and others go on using the pool."""

    def __del__(self) -> None:
        # redis-py's would close the client.
        pass
