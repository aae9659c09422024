"""The metrics: their names, units and meaning, and what of a pool's numbers each one is.

Names, units and attributes are those of OpenTelemetry's semantic conventions for database
clients, whose status there is "development": they may still change. What begins with
`redis_pool.` is ours.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..forks import ProcessLock
from ..pooling.totals import Total
from ..stats import REFUSALS

__all__ = ["BUCKETS", "COUNTERS", "GAUGES", "POOL", "TIMES", "Metric", "Rising", "Times"]

POOL = "db.client.connection.pool.name"

# Seconds. The buckets that the conventions advise for `db.client.operation.duration`, and two
# below: a wait for a pool that has room takes less than the least of those.
BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a pool, or one for each value of an `attribute`."""

    name: str
    unit: str
    text: str
    read: Callable[[Total], Mapping[str, float]]
    attribute: str | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """Times by size, in seconds; `field` is what they are called in `PoolStats`."""

    name: str
    text: str
    field: str


def _one(read: Callable[[Total], float]) -> Callable[[Total], Mapping[str, float]]:
    return lambda total: {"": read(total)}


def _rejections(total: Total) -> Mapping[str, float]:
    return {name: getattr(total.stats, name) for name in REFUSALS if name != "timed_out"}


GAUGES = (
    Metric(
        "db.client.connection.count",
        "{connection}",
        "Connections that are in use, or idle.",
        lambda total: {"idle": total.stats.idle, "used": total.stats.in_use},
        "db.client.connection.state",
    ),
    Metric(
        "db.client.connection.max",
        "{connection}",
        "How many connections there may be (MAX_CONNECTIONS).",
        _one(lambda total: total.stats.max_connections),
    ),
    Metric(
        "db.client.connection.idle.max",
        "{connection}",
        "How many may be idle (MAX_IDLE, or MAX_CONNECTIONS).",
        _one(lambda total: total.max_idle),
    ),
    Metric(
        "db.client.connection.idle.min",
        "{connection}",
        "How many are kept ready (MIN_IDLE).",
        _one(lambda total: total.min_idle),
    ),
    Metric(
        "db.client.connection.pending_requests",
        "{request}",
        "Requests that wait for a connection right now.",
        _one(lambda total: total.stats.waiting),
    ),
)

COUNTERS = (
    Metric(
        "db.client.connection.timeouts",
        "{timeout}",
        "Requests that got no connection within TIMEOUT.",
        _one(lambda total: total.stats.timed_out),
    ),
    Metric(
        "redis_pool.rejections",
        "{request}",
        "Requests that got no connection for another reason.",
        _rejections,
        "error.type",
    ),
    Metric(
        "redis_pool.connections.closed",
        "{connection}",
        "Connections that were closed, by reason.",
        lambda total: total.stats.discarded,
        "reason",
    ),
)

TIMES = (
    Times(
        "db.client.connection.wait_time",
        "The time that a request stood in the queue for a connection; those that got none, too.",
        "waits",
    ),
    Times(
        "db.client.connection.use_time",
        "The time from taking a connection to giving it back.",
        "holds",
    ),
    Times("db.client.connection.create_time", "The time that a dial took.", "creates"),
)


class Rising:
    """What was told of counters: the next number is never less.

    A snapshot may step back by one. A connection that was taken and proved to be stale is
    uncounted, as its request goes on; and a second wait of one request moves to another bucket.
    """

    def __init__(self) -> None:
        self._lock = ProcessLock()
        self._pid = os.getpid()
        self._told: dict[object, float] = {}

    def __call__(self, key: object, now: float) -> float:
        """Return `now`, or what was told before if that is more."""
        with self._lock.mine():
            if self._pid != os.getpid():  # a fork's child counts from nothing
                self._pid, self._told = os.getpid(), {}
            told = self._told[key] = max(now, self._told.get(key, now))
            return told
