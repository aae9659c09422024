"""The testing kit with a cluster: it finds leaks, counts commands, and refuses to fake a fault."""

from __future__ import annotations

import pytest

from redis_pool_ext import ConfigError
from redis_pool_ext.testing import (
    assert_max_redis_commands,
    assert_no_leaked_leases,
    exhausted_pool,
    redis_down,
    slow_redis,
)


def test_commands_to_all_nodes_are_counted(pool):
    """On a lease, and in a pipeline that goes to several."""
    with pool.lease() as client:
        client.set("warm", 1)
        with assert_max_redis_commands(4, pool.alias) as sent:
            client.get("a")
            client.pipeline().get("a").get("b").get("c").execute()

    assert sorted(sent.commands) == ["GET a", "GET a", "GET b", "GET c"]


def test_lease_that_is_not_ended_is_told_with_its_node(cluster, pool):
    """Each connection by the pool of its node."""
    (node, *_) = cluster.masters()
    key = next(iter(cluster.keys_on(node)))
    with pytest.raises(AssertionError) as told, assert_no_leaked_leases(within=0):
        lease = pool.lease("a forgetful one")
        lease.client().get(key)
    lease.end()

    assert f'pool "default@{node.name}": a forgetful one for ' in str(told.value)


@pytest.mark.parametrize("fault", [exhausted_pool, redis_down, lambda: slow_redis(1.0)])
def test_fault_is_refused(pool, fault):
    """Also for a pool that was made by hand."""
    pool.client.get("k")

    with pytest.raises(ConfigError, match="is a Redis Cluster"), fault():
        pass
