"""Prometheus: a collector that reads the pools as they are scraped."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from redis_pool_ext import PoolUnavailableError, RedisPool
from redis_pool_ext.metrics import prometheus as ours
from redis_pool_ext.metrics.table import BUCKETS
from redis_pool_ext.observing import observers

from ..support.stub import StubConnection
from .readers import samples, scrape

ALIAS = "scraped"


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry with our collector."""
    found = CollectorRegistry()
    found.register(ours.PoolCollector())
    return found


def make_pool(**settings: Any) -> RedisPool:
    settings = {"max_connections": 2, "timeout": 0, "housekeeping_interval": None} | settings
    return RedisPool(StubConnection, alias=ALIAS, **settings)


def test_names_are_those_of_the_conventions_in_prometheus_words(registry: CollectorRegistry):
    """Dots are lines, counters end in _total, times in _seconds."""
    pool = make_pool()
    pool.release(pool.get_connection())
    pool.drain()

    found = samples(scrape(registry), ALIAS)
    assert {
        "db_client_connection_count",
        "db_client_connection_max",
        "db_client_connection_idle_max",
        "db_client_connection_idle_min",
        "db_client_connection_pending_requests",
        "db_client_connection_timeouts_total",
        "db_client_connection_wait_time_seconds_bucket",
        "db_client_connection_use_time_seconds_sum",
        "db_client_connection_create_time_seconds_count",
        "redis_pool_rejections_total",
        "redis_pool_connections_closed_total",
    } <= {name for name, *_ in found}
    assert 'db_client_connection_count{db_client_connection_pool_name="scraped",state="idle"}' in (
        scrape(registry)
    )
    assert found["redis_pool_connections_closed_total", "drained"] == 1


def test_sizes_are_those_of_the_moment(registry: CollectorRegistry):
    """Read at the scrape, whatever happened before."""
    pool = make_pool(max_connections=4, max_idle=3, min_idle=1)
    out = [pool.get_connection() for _ in range(3)]
    pool.release(out.pop())

    found = samples(scrape(registry), ALIAS)
    assert found["db_client_connection_count", "used"] == 2
    assert found["db_client_connection_count", "idle"] == 1
    assert found["db_client_connection_max",] == 4
    assert found["db_client_connection_idle_max",] == 3
    assert found["db_client_connection_idle_min",] == 1


def test_refusals_are_counted_by_their_reason(registry: CollectorRegistry):
    """Those that came too late are timeouts; the rest has a label."""
    pool = make_pool(script=[ConnectionError("nobody there")])
    with pytest.raises(PoolUnavailableError):
        pool.get_connection()

    found = samples(scrape(registry), ALIAS)
    assert found["redis_pool_rejections_total", "unavailable"] == 1
    assert found["redis_pool_rejections_total", "queue_full"] == 0
    assert found["db_client_connection_timeouts_total",] == 0


def test_histograms_are_the_pools_own(registry: CollectorRegistry):
    """Counts up to each bound, and the sum."""
    pool = make_pool()
    for _ in range(3):
        pool.release(pool.get_connection())

    stats, found = pool.stats(), samples(scrape(registry), ALIAS)
    assert found["db_client_connection_use_time_seconds_count",] == 3
    assert found["db_client_connection_use_time_seconds_sum",] == stats.hold_seconds
    ups = stats.holds.up_to(BUCKETS)
    assert ups == [found["db_client_connection_use_time_seconds_bucket", le] for le in ours.LE[:-1]]


def test_counter_never_steps_back(registry: CollectorRegistry):
    """When a pool is gone, and when a number is taken back."""
    pool = make_pool()
    pool.release(pool.get_connection())
    name = "db_client_connection_wait_time_seconds_count"
    assert samples(scrape(registry), ALIAS)[name,] == 1
    del pool
    gc.collect()
    assert samples(scrape(registry), ALIAS)[name,] == 1
    pool = make_pool()
    pool.release(pool.get_connection())
    assert samples(scrape(registry), ALIAS)[name,] == 2


def test_collector_costs_a_lease_nothing(registry: CollectorRegistry):
    """Nobody observes."""
    assert observers == []


def test_mirror_needs_the_multiprocess_mode():
    """It says which variable to set, and what to do with one process."""
    with pytest.raises(RuntimeError, match=r"set PROMETHEUS_MULTIPROC_DIR.*PoolCollector"):
        ours.mirror()
