"""Each benchmark runs, at the smallest effort, and finds what it promises."""

from __future__ import annotations

import math
from importlib import import_module

import pytest
import redis

from benchmarks.crowd import all_at_once
from benchmarks.harness import Effort, Result
from benchmarks.pools import KINDS, SMALLEST
from benchmarks.stubs import StubConnection, StubSocket
from redis_pool_ext import RedisPool

LEAST = Effort(rounds=2, seconds=0.05, factor=0.002)

POOLS = ["redis_pool_ext", "redis-py blocking", "redis-py plain", "psycopg_pool", SMALLEST]

WAITING_POOLS = [name for name in POOLS if name != "redis-py plain"]

# Who is in each group, in the table's order.
PROMISED = {
    "cycle": {"": POOLS},
    "command": {
        "GET, stub socket": [
            "redis_pool_ext, leased",
            "redis_pool_ext, pooled",
            "redis-py, pinned",
            "redis-py, pooled",
            "redis-py, blocking pool",
        ],
        "client + GET + return, stub socket": [
            "redis_pool_ext, a lease",
            "redis-py, a client per request",
            "redis-py, a pinned client per request",
            "redis-py, one client for all",
        ],
        "GET, loopback": [
            "redis_pool_ext, leased",
            "redis_pool_ext, pooled",
            "redis-py, pinned",
            "redis-py, pooled",
            "redis-py, blocking pool",
            "bare socket + hiredis",
            "bare socket + hiredis, no timeout",
        ],
    },
    "article": {"": ["redis_pool_ext", "redis-py blocking", "a connection per call"]},
    "contention": {"64 threads, 10 connections, 0.5 ms hold": WAITING_POOLS},
    "growth": {
        "acquire + release, n idle": POOLS,
        "stats(), n idle": POOLS[:-1],
        "hand-off, n waiting": WAITING_POOLS,
        "a waiter that leaves, n waiting": WAITING_POOLS[:-1],
        "CPU per waiter and second, n waiting": WAITING_POOLS,
    },
    "memory": {
        "an empty pool": POOLS[:3],
        "an idle connection": POOLS[:3],
        "a lease or client that is not used": ["redis_pool_ext", "redis-py client"],
    },
}

# How many lines of "Done when" each of them answers.
TARGETS = {"cycle": 1, "command": 4, "contention": 2}


@pytest.fixture(scope="module", params=PROMISED)
def result(request: pytest.FixtureRequest) -> Result:
    module = import_module(f"benchmarks.{request.param}")
    # A process takes longer to start than all the rest.
    effort = LEAST._replace(rounds=1) if request.param == "memory" else LEAST
    found: Result = module.measure(effort)
    assert found.key == request.param
    assert found.title == module.TITLE
    return found


def test_benchmark_has_the_rows_it_promises(result):
    """Ours first, its peers after, in each group."""
    groups: dict[str, list[str]] = {}
    for row in result.rows:
        groups.setdefault(row.group, []).append(row.name)

    assert groups == PROMISED[result.key]


def test_benchmark_yields_finite_figures(result):
    """Also the curves and the targets; every column that a row has is one with a unit."""
    figures = [value for row in result.rows for value in row.values.values()]
    figures += [y for curve in result.curves for line in curve.series.values() for _, y in line]
    figures += [target.ratio for target in result.targets]

    assert all(map(math.isfinite, figures))
    assert all(set(row.values) == set(result.unit) for row in result.rows)
    assert len(result.targets) == TARGETS.get(result.key, 0)


def test_benchmark_compares_what_it_says(result):
    """Ratios are those of a column that is there; highlights those of groups that are there."""
    assert result.ratio_of in result.unit
    assert set(result.highlights) <= {row.group for row in result.rows}
    assert all(row.values["ratio"] == 1.0 for row in result.rows if row.name == result.rows[0].name)


class TestStub:
    """The stub socket, with ours and with redis-py's client."""

    @pytest.mark.parametrize("pool_class", [RedisPool, redis.ConnectionPool])
    def test_stub_answers_every_get(self, pool_class):
        """After whatever handshake the client begins with."""
        pool = pool_class(connection_class=StubConnection)
        client = redis.Redis(connection_pool=pool)

        assert [client.get("key") for _ in range(3)] == [b"hello"] * 3
        pool.close()

    def test_pool_guards_the_stub_as_a_real_socket(self):
        """Otherwise ours would be spared what it does in production."""
        with RedisPool(StubConnection) as pool:
            connection = pool.get_connection()

            assert isinstance(connection._sock, StubSocket)
            assert connection._replies is not None
            pool.release(connection)

    def test_idle_stub_looks_alive(self):
        """Its descriptor is open, and there is nothing to read."""
        pool = redis.ConnectionPool(connection_class=StubConnection)
        first = pool.get_connection()
        pool.release(first)

        assert pool.get_connection() is first
        assert not first.can_read(0)
        pool.release(first)
        pool.close()


@pytest.mark.parametrize("name", POOLS)
def test_every_pool_lends_all_its_connections_at_once(name):
    """They are made when it opens, each is lent once, and all come back."""
    with KINDS[name].open(4) as pool:
        held = [pool.get() for _ in range(4)]
        assert len(set(map(id, held))) == 4
        for connection in held:
            pool.put(connection)
        assert pool.waiting() == 0


def test_error_in_a_crowd_is_raised():
    """A benchmark in which a thread failed has measured nothing."""

    def fail() -> None:
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        all_at_once([fail, lambda: None])
