"""Readiness of a cluster: reachable while any node answers, saturated when any node is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import cast

import pytest

from redis_pool_ext import ClusterPool, configure, get_pool
from redis_pool_ext.status.health import aready, ready
from redis_pool_ext.status.policy import HealthPolicy

from ..support.cluster import Cluster
from ..support.threads import spawn, wait_until

POLICY = HealthPolicy()


@pytest.fixture
def configured(cluster: Cluster) -> Iterator[ClusterPool]:
    """The process's pool, of one connection per node."""
    configure({"default": {"URL": cluster.url, "MAX_CONNECTIONS": 1, "TIMEOUT": 20}})
    yield cast(ClusterPool, get_pool())
    configure({})


def state() -> str:
    return json.loads(ready(POLICY, {}).body)["pools"]["default"]


def test_cluster_that_was_not_used_yet_is_asked(configured: ClusterPool):
    """One node's answer is enough; the map of the cluster is not asked for."""
    assert state() == "ok"
    assert configured._engine is None


def test_cluster_is_asked_from_an_event_loop(configured: ClusterPool):
    """It has no pool for loops; a thread asks."""
    assert asyncio.run(aready(POLICY, {})).status == 200


def test_cluster_is_reachable_while_one_node_answers(configured: ClusterPool, cluster: Cluster):
    """Whichever that is."""
    configured.client.set("key", 1)
    for node in cluster.nodes[1:]:
        node.freeze()
    try:
        configured.drain()
        assert configured.probe(2) is True
    finally:
        for node in cluster.nodes:
            node.thaw()


def test_node_with_a_queue_saturates_the_cluster(configured: ClusterPool):
    """Requests for its keys wait."""
    with configured.lease() as client:
        client.set("key", 1)
        waiter = spawn(configured.client.get, "key")
        wait_until(lambda: configured.stats().waiting == 1)
        assert state() == "saturated"
    assert waiter.result() == b"1"
