"""What can go wrong with a pool or a lease: one root, few leaves.

Catch by class, never by text. `PoolExhaustedError`, `PoolUnavailableError`, `PoolClosedError`
and `BudgetExceededError` are what the web wings answer with 503; a `LeaseError` is a mistake
in the program and stays a 500.
"""

from __future__ import annotations

import redis
from redis.exceptions import MaxConnectionsError

from .stats import PoolStats

__all__ = [
    "ANSWERED_WITH_503",
    "BudgetExceededError",
    "ConnectionPoolTimeoutError",
    "LeaseError",
    "LeaseStateLostError",
    "PoolClosedError",
    "PoolCredentialsError",
    "PoolExhaustedError",
    "PoolQueueFullError",
    "PoolTLSError",
    "PoolUnavailableError",
    "RedisPoolError",
]


class RedisPoolError(redis.RedisError):
    """Root of everything this package raises about pools and leases.

    `alias` is the pool's name, `stats` what it looked like at that moment (None for
    lease mistakes), `retry_after` whole seconds after which asking again makes sense.
    Everything is kept when the error is pickled.
    """

    def __init__(
        self,
        message: str = "",
        *,
        alias: str | None = None,
        stats: PoolStats | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.alias = alias
        self.stats = stats
        self.retry_after = retry_after

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class PoolExhaustedError(RedisPoolError, MaxConnectionsError):
    """Every connection is in use and none came back in time.

    Also a `redis.exceptions.MaxConnectionsError`, hence a `redis.ConnectionError`:
    existing handlers keep working, and redis-py's cluster client does not take it for
    a dead node.
    """


class ConnectionPoolTimeoutError(PoolExhaustedError):
    """The caller waited `timeout` seconds for a connection, in vain."""


class PoolQueueFullError(PoolExhaustedError):
    """The queue is full, so this caller was sent away before its `timeout`.

    `max_waiting` were queued already; or the pool is in overload, and `queue_discipline` is
    "codel".
    """


class PoolUnavailableError(RedisPoolError, redis.ConnectionError):
    """The server cannot be reached, or was not a moment ago and the circuit is open.

    `__cause__` is the error of the (last) dial.
    """


class PoolTLSError(PoolUnavailableError):
    """The server is there, and TLS with it does not come about.

    Its certificate is not to be trusted, or is not for this host; it does not take ours; or
    the two have no protocol in common. The message says what to do.
    """


class PoolCredentialsError(PoolUnavailableError):
    """Whoever was to give user name and password has not: it raised, or took too long.

    `__cause__.__cause__` is its own error, whose words are not repeated here.
    """


class PoolClosedError(RedisPoolError):
    """The pool was closed; it gives out nothing any more."""


class BudgetExceededError(RedisPoolError, redis.TimeoutError):
    """What this request or task may spend on Redis, in all, is spent.

    Also a `redis.TimeoutError`. `__cause__` is the error in which the last of it went, if any.
    """


class LeaseError(RedisPoolError):
    """A lease or connection was used after its end, twice, or in another process."""


class LeaseStateLostError(LeaseError, redis.ConnectionError):
    """The socket dropped while the lease held state (WATCH, MULTI, SELECT, ...).

    Going on with a fresh connection would silently be another state. Also a
    `redis.ConnectionError`, because redis-py's pipelines clean up on that class.
    """


# A LeaseError is a mistake in the program, and a Redis command's own error is an answer:
# neither becomes a 503.
ANSWERED_WITH_503 = (
    PoolExhaustedError,
    PoolUnavailableError,
    PoolClosedError,
    BudgetExceededError,
)
