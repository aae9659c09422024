"""A cluster's client that degrades, and what it means to take its connection before a view."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import redis

from redis_pool_ext import ClusterPool, PoolUnavailableError, RedisPoolError
from redis_pool_ext.leasing.fallback import Fallback
from redis_pool_ext.scope import Scope
from redis_pool_ext.web.degrading import DegradingScope
from redis_pool_ext.web.eager import take

DEFAULT = "none"


@pytest.fixture
def scope(pool: ClusterPool) -> Iterator[Scope]:
    """A request's, which is over before its pool is looked at."""
    scope = Scope("GET / (view)", waits_once=True)
    yield scope
    scope.end()


@pytest.fixture
def client(scope: Scope, pool: ClusterPool) -> Any:
    """The client of a request that can do without."""
    return DegradingScope(scope, Fallback(DEFAULT)).client(pool)


@contextmanager
def full(pool: ClusterPool) -> Iterator[None]:
    """Hold all connections to all nodes."""
    with ExitStack() as stack:
        for _ in range(pool.max_connections):
            other = stack.enter_context(pool.lease())
            for node in other.get_primaries():
                other.ping(target_nodes=node)
        patience = {each: each.timeout for each in pool.nodes.each()}
        pool.timeout = 0.05
        for each in patience:
            each.timeout = 0.05
        yield


def test_healthy_client_is_a_cluster_client_that_answers(client, scope, pool):
    """On the request's lease, and nothing is degraded."""
    assert isinstance(client, redis.RedisCluster)
    client.set("k", 1)
    assert client.get("k") == b"1"
    assert client.pipeline().get("k").get("other").execute() == [b"1", None]
    assert list(client.scan_iter()) == [b"k"]
    assert client.mget_nonatomic("k", "other") == [b"1", None]
    assert client.is_degraded is False
    assert scope.client(pool).is_degraded is False


def test_reads_of_full_nodes_get_the_default(client, pool):
    """Commands, pipelines, iterations over all nodes, and reads of several slots."""
    client.ping()
    client.release()
    with full(pool):
        assert client.get("k") == DEFAULT
        assert client.pipeline().get("k").get("other").execute() == [DEFAULT, DEFAULT]
        assert list(client.scan_iter()) == []
        assert list(client.hscan_iter("h")) == []
        assert client.mget_nonatomic("k", "other") == DEFAULT
        assert client.is_degraded


def test_whatever_else_raises_as_ever(client, pool):
    """Writes, alone or in a pipeline, and transactions that watch."""
    with full(pool):
        for write in (
            lambda: client.incr("k"),
            lambda: client.pipeline().get("k").incr("k").execute(),
            lambda: client.pipeline(transaction=True).watch("k"),
        ):
            with pytest.raises(RedisPoolError):
                write()
        assert client.is_degraded is False


def test_connection_that_is_taken_early_is_at_the_default_node(scope, pool):
    """One, which the lease keeps."""
    take(scope, pool)
    assert {name: each.in_use for name, each in pool.node_stats().items() if each.in_use} == {
        scope.client(pool).get_default_node().name: 1
    }


def test_cluster_that_cannot_be_reached_refuses_early(scope):
    """Before anything is asked of it."""
    with ClusterPool([("127.0.0.1", 1)], timeout=1) as pool, pytest.raises(PoolUnavailableError):
        take(scope, pool)
