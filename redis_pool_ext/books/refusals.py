"""From a refusal to the error that the caller sees: numbers, way out, when to come back."""

from __future__ import annotations

import redis

from ..errors import (
    BudgetExceededError,
    ConnectionPoolTimeoutError,
    PoolClosedError,
    PoolCredentialsError,
    PoolQueueFullError,
    PoolTLSError,
    PoolUnavailableError,
    RedisPoolError,
)
from ..stats import PoolStats
from .comeback import whole_seconds
from .faults import CredentialsError, Fault, TLSError
from .records import Refusal
from .refusing import Look

__all__ = ["closed", "exhausted", "over_budget", "unavailable"]

_ROOM = "the server takes no more connections: raise its maxclients, or lower MAX_CONNECTIONS"

# Seconds in which a process that is going down has been replaced.
_REPLACED_IN = 5


def exhausted(
    refusal: Refusal,
    look: Look,
    seconds: float,
    full: BaseException | None = None,
    target: float = 0.0,
) -> RedisPoolError:
    """Return the error for a caller who found every connection in use.

    `seconds` are what it was allowed to wait, `full` is the server's own refusal, where it takes
    no more connections, `target` the seconds of `queue_target`.
    """
    stats = look.stats
    kind: type[RedisPoolError] = PoolQueueFullError
    if refusal is Refusal.QUEUE_FULL:
        what = f"{stats.waiting} callers are queued already"
        way_out = "raise MAX_WAITING or MAX_CONNECTIONS, or hold leases shorter"
    elif refusal is Refusal.SHED:
        what = f"sent away early, as callers have to wait for longer than {target:g} s"
        way_out = "raise MAX_CONNECTIONS or QUEUE_TARGET, or hold leases shorter"
    else:
        kind = ConnectionPoolTimeoutError
        what, way_out = f"no connection within {seconds:.2f} s", _way_out(stats, full)
    error = kind(
        f'{what} (pool "{stats.alias}": {stats.summary()}); {way_out}',
        alias=stats.alias,
        stats=stats,
        retry_after=whole_seconds(look.wait),
    )
    error.__cause__ = full if kind is ConnectionPoolTimeoutError else None
    return error


def unavailable(
    look: Look,
    cause: BaseException | None,
    *,
    probe_in: float = 0.0,
    is_full: bool = False,
) -> RedisPoolError:
    """Return the error for a caller who needed a dial that failed, or was not tried.

    `probe_in` is the number of seconds until the next dial may be tried; 0 when this
    caller's own dial failed. `is_full`: the server takes no more connections.
    """
    stats = look.stats
    tried = "not dialled again yet" if probe_in > 0 else "the dial failed"
    # None: somebody else has reached the server since this caller was sent away.
    reason = f": {_reason(cause)}" if cause is not None else ""
    kind, what = _kind(cause)
    error = kind(
        f'{what}, {tried} (pool "{stats.alias}": {stats.summary()}){reason}; '
        f"{_ROOM if is_full else _way_to_it(cause)}",
        alias=stats.alias,
        stats=stats,
        retry_after=whole_seconds(max(look.wait, probe_in)),
    )
    error.__cause__ = cause
    return error


def closed(stats: PoolStats) -> RedisPoolError:
    """Return the error for a caller who came to a closed pool."""
    return PoolClosedError(
        f'the pool "{stats.alias}" is closed; get_pool("{stats.alias}") makes a new one',
        alias=stats.alias,
        stats=stats,
        retry_after=whole_seconds(_REPLACED_IN),
    )


def over_budget(seconds: float, look: Look | None) -> BudgetExceededError:
    """Return the error for a caller who has spent the `seconds` of its budget."""
    stats = look.stats if look is not None else None
    pool = f' (pool "{stats.alias}": {stats.summary()})' if stats is not None else ""
    return BudgetExceededError(
        f"the {seconds:.2f} s that this request or task may spend on Redis are spent{pool}; raise "
        "the budget, or find the commands that took them (SLOWLOG GET)",
        alias=stats.alias if stats is not None else None,
        stats=stats,
        retry_after=whole_seconds(look.wait if look is not None else 0.0),
    )


def _kind(cause: BaseException | None) -> tuple[type[PoolUnavailableError], str]:
    if isinstance(cause, TLSError):
        return PoolTLSError, "TLS with Redis does not come about"
    if isinstance(cause, CredentialsError):
        return PoolCredentialsError, "there are no credentials for Redis"
    return PoolUnavailableError, "Redis cannot be reached"


def _way_to_it(cause: BaseException | None) -> str:
    if isinstance(cause, Fault):
        return cause.way_out
    return "check that the server runs and that its address is right"


def _reason(cause: BaseException) -> str:
    reason = str(cause).rstrip(".") or type(cause).__name__
    # redis-py says of every timeout of a dial the same; where it happened is one error below.
    # Below any other error somebody else may have said something, a provider of credentials, say.
    below = cause.__context__ if isinstance(cause, redis.TimeoutError) else None
    if isinstance(below, TimeoutError) and str(below) not in ("", "timed out"):
        reason += f" ({below})"
    return reason


def _way_out(stats: PoolStats, full: BaseException | None) -> str:
    if stats.is_paused:
        return "the pool is paused: resume() goes on"
    if full is not None:
        return _ROOM
    if not _larger_would_help(stats):
        return (
            "connections take long to make: see how the server is, and the way to it, raise "
            "TIMEOUT or MAX_CONNECTING, or have MIN_IDLE of them ready"
        )
    return "raise MAX_CONNECTIONS or hold leases shorter"


def _larger_would_help(stats: PoolStats) -> bool:
    """Tell whether more connections would; not while those that there may be are not made yet."""
    is_full = stats.in_use + stats.connecting >= stats.max_connections
    return not stats.connecting or (stats.in_use > 0 and is_full)
