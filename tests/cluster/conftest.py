"""Six servers for the whole folder; a test that breaks something has it healed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from redis_pool_ext import ClusterPool

from ..support.cluster import Cluster


@pytest.fixture(scope="session")
def six_nodes() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(six_nodes: Cluster) -> Cluster:
    """The cluster, whole and empty."""
    six_nodes.heal()
    six_nodes.flush()
    return six_nodes


@pytest.fixture
def pool(cluster: Cluster) -> Iterator[ClusterPool]:
    with ClusterPool.from_url(cluster.url, max_connections=2, timeout=2, socket_timeout=5) as pool:
        yield pool
        assert pool.stats().in_use == 0  # whatever was leased is back
