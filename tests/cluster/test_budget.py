"""A budget of a cluster's lease: of all that it does at all nodes, together."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from redis_pool_ext import BudgetExceededError, ClusterPool, Priority, lease_scope
from redis_pool_ext.budget import Budget

from ..budget.calls import CALLS, WAITING
from ..budget.sides import BUDGET, Story, quickest
from ..support.cluster import Cluster

LONG = 60.0  # seconds that nothing here takes

# On one connection of several there is nothing to wait for, or redis-py has another way.
NOT_OF_A_CLUSTER = ("transaction()", "watched transaction", "transaction", "pipeline", "wait")
IN_A_CLUSTER = [call for call in CALLS if call not in NOT_OF_A_CLUSTER]


def pipeline(client: Any) -> None:
    """At several nodes."""
    with client.pipeline() as pipe:
        for number in range(9):
            pipe.get(f"key {number}")
        pipe.execute()


def watched_transaction(client: Any) -> None:
    with client.pipeline(transaction=True) as pipe:
        pipe.watch("key")
        pipe.multi()
        pipe.set("key", 1)
        pipe.execute()


def keys_of_all_nodes(client: Any) -> None:
    client.keys()


CLUSTERS = {
    **{call: CALLS[call] for call in IN_A_CLUSTER},
    "pipeline": pipeline,
    "watched transaction": watched_transaction,
    "keys of all nodes": keys_of_all_nodes,
}


@pytest.fixture
def stalled(cluster: Cluster):
    """Freezes all nodes when it is called; no node misses another for so long."""

    def freeze() -> None:
        for node in cluster.nodes:
            node.freeze()

    yield freeze
    for node in cluster.running():
        node.thaw()


def played(cluster: Cluster, call: str, before: Any = None, *, warm: bool = True) -> Story:
    """Play a request on a pool of its own; no node is frozen at the beginning."""
    for node in cluster.nodes:
        node.thaw()
    with ClusterPool.from_url(cluster.url, socket_timeout=None if warm else 5) as pool:
        return play(pool, call, before, warm=warm)


def play(pool: ClusterPool, call: str, before: Any = None, *, warm: bool = True) -> Story:
    """Play a request with a budget; `before` happens before its call."""
    story = Story()
    with pool.lease(budget=None if warm else BUDGET) as client:
        if warm:
            client.get("key")
            client.connection_pool.budget = Budget(BUDGET)
        if before is not None:
            before()
        with story.timed():
            CLUSTERS[call](client)
    story.stats = pool.stats()
    return story


@pytest.mark.alone
class TestStalled:
    """No node answers any more."""

    @pytest.mark.parametrize("call", CLUSTERS)
    def test_stalled_cluster_takes_no_more_than_the_budget(self, cluster, stalled, call):
        """Also for what goes to several nodes, one after the other."""
        assert quickest(lambda: played(cluster, call, stalled)).ended_with_its_budget()

    @pytest.mark.parametrize("call", CLUSTERS)
    def test_cluster_that_is_not_known_takes_no_more_than_the_budget(self, cluster, stalled, call):
        """The map has to be asked for first, and nobody tells."""
        story = quickest(lambda: played(cluster, call, stalled, warm=False))
        assert story.ended_with_its_budget()

    @pytest.mark.parametrize("call", [call for call in WAITING if call in CLUSTERS])
    def test_cluster_that_is_well_takes_no_more_than_the_budget(self, cluster, call):
        """To wait for something to come is time on Redis, too."""
        assert quickest(lambda: played(cluster, call)).ended_with_its_budget()


@pytest.mark.alone
def test_map_is_asked_for_within_the_budget(cluster, stalled):
    """Of nodes that do not tell: the one with the key is gone."""
    with ClusterPool.from_url(cluster.url, socket_timeout=5) as pool:
        pool.warm_up(1)
        with pool.lease() as client:
            client.get("key")
            (at_node,) = client.connection_pool.held
            client.connection_pool.budget = Budget(BUDGET)
            cluster.named(at_node.pool.name).stop()
            for node in cluster.running():
                node.freeze()
            pool.engine().nodes_manager._refreshed_at = 0.0  # not just now
            story = Story()
            with story.timed():
                client.get("key")
        story.stats = pool.stats()
        assert isinstance(story.error, redis.RedisError)
        assert story.took < 2.5  # not the five seconds of a reply


class TestLending:
    """Each node's lease lends it, and takes it back."""

    def test_next_borrowers_find_no_budget_and_the_ordinary_timeout(self, pool):
        """At each node, those connections included on which the map was asked for."""
        with pool.lease(budget=1.0) as client:
            pipeline(client)
            connections = [lease.held[0] for lease in client.connection_pool.held]
            assert {connection.budget for connection in connections} == {
                client.connection_pool.budget
            }
        for node in pool.nodes.each():
            connection = node.get_connection()
            assert connection.budget is None
            assert connection._sock.gettimeout() == 5
            node.release(connection)

    def test_command_without_budget_is_not_sent(self, pool):
        """Nothing is closed for it, and nobody asks for the map."""
        with pool.lease(budget=LONG) as client:
            client.set("key", "before")
            created = pool.stats().created
            client.connection_pool.budget.seconds = 0.0
            for command in (
                lambda: client.set("key", "after"),
                lambda: pipeline(client),
                lambda: watched_transaction(client),
                client.keys,
            ):
                with pytest.raises(BudgetExceededError):
                    command()
            client.connection_pool.budget.seconds = LONG
            assert client.get("key") == b"before"
        assert pool.stats().created == created

    def test_another_budget_reaches_the_nodes(self, pool):
        """Whoever sets it means all of them."""
        with pool.lease() as client:
            client.get("key")
            (at_node,) = client.connection_pool.held
            with pool.lease(budget=1.0) as other:
                client.connection_pool.budget = other.connection_pool.budget
            assert at_node.held[0].budget is other.connection_pool.budget
            client.connection_pool.budget = None
            assert at_node.held[0].budget is None
            assert client.get("key") is None


def test_priority_of_a_scope_reaches_the_nodes(pool):
    """Also those on which something is leased already."""
    with lease_scope() as scope:
        client = scope.client(pool)
        client.get("key")
        scope.limit(priority="high")
        client.get("key")
        (at_node,) = client.connection_pool.held
        assert at_node.priority is Priority.HIGH


def test_transaction_that_times_out_is_given_back_once(cluster, stalled):
    """Not by redis-py to the pool, and then by the lease."""
    with ClusterPool.from_url(cluster.url, socket_timeout=0.2) as pool:
        with pool.lease() as client:
            client.get("key")
            stalled()
            with pytest.raises(redis.TimeoutError):
                watched_transaction(client)
        assert pool.stats().in_use == 0
        assert sum(stats.double_releases for stats in pool.node_stats().values()) == 0
