"""The limit at each node, the wait, the 503, and the numbers."""

from __future__ import annotations

import pickle
import threading
from dataclasses import fields

import pytest
import redis
from redis.crc import key_slot

import redis_pool_ext
from redis_pool_ext import (
    ClusterPool,
    ConfigError,
    ConnectionPoolTimeoutError,
    PoolClosedError,
    PoolQueueFullError,
    PoolStats,
    PoolUnavailableError,
    get_pool,
    get_redis,
    lease_scope,
)
from redis_pool_ext.cluster.nodes import Nodes

from ..support.cluster import elapsed
from ..support.threads import spawn, wait_until


def test_full_node_is_told_within_the_timeout_and_nobody_asks_for_the_map(cluster):
    """Full is not failed: the message has the node's numbers, the other nodes serve on."""
    first, second, _ = cluster.masters()
    key, elsewhere = cluster.key_on(first), cluster.key_on(second)
    with ClusterPool.from_url(cluster.url, max_connections=1, timeout=0.3) as pool:
        with pool.lease() as holder, pool.lease() as client:
            holder.get(key)
            timed_out = pool.node_stats()[first.name].timed_out
            for node in cluster.nodes:
                node.say("CONFIG RESETSTAT")
            before = cluster.count_questions()
            began_to_raise = elapsed(lambda: client.get(key))
            assert 0.3 <= began_to_raise < 0.9
            message = rf'no connection within 0.30 s \(pool "default@{first.name}": in_use=1'
            with pytest.raises(ConnectionPoolTimeoutError, match=message) as caught:
                client.get(key)
            assert caught.value.stats.max_connections == 1
            assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
            assert client.set(elsewhere, 1)
            with pytest.raises(ConnectionPoolTimeoutError):
                client.pipeline().get(elsewhere).get(key).execute()
            with pytest.raises(ConnectionPoolTimeoutError):
                client.transaction(lambda pipe: pipe.get(key), key)
            assert cluster.count_questions() == before
        assert pool.node_stats()[first.name].timed_out == timed_out + 4


def test_pipeline_over_full_nodes_waits_one_timeout_in_all(cluster):
    """Not one per node, and not one per attempt of redis-py's."""
    keys = [cluster.key_on(node) for node in cluster.masters()]
    pool = ClusterPool.from_url(cluster.url, max_connections=1, timeout=0.3)
    with pool, pool.lease() as holder:
        for key in keys:
            holder.get(key)
        pipe = pool.client.pipeline()
        for key in keys:
            pipe.get(key)
        assert elapsed(pipe.execute) < 0.9
        assert elapsed(lambda: pool.client.mget_nonatomic(*keys)) < 0.9


def test_pipeline_that_waited_for_one_node_waits_less_for_the_next(cluster):
    """`timeout` is for all nodes of a command together."""
    keys = dict(sorted((node.name, cluster.key_on(node)) for node in cluster.masters()))
    first, second, _ = keys.values()
    pool = ClusterPool.from_url(cluster.url, max_connections=1, timeout=1)
    with pool, pool.lease() as soon, pool.lease() as late:
        soon.get(first)
        late.get(second)
        back = threading.Timer(0.8, soon.release)
        back.start()
        assert elapsed(pool.client.pipeline().get(first).get(second).execute) < 1.6
        back.join()


def test_queue_that_is_too_long_refuses_at_once(cluster):
    """`max_waiting` is each node's, too."""
    key = cluster.key_on(cluster.masters()[0])
    url = f"{cluster.url}?max_connections=1&max_waiting=0"
    with ClusterPool.from_url(url) as pool, pool.lease() as holder:
        holder.get(key)
        with pytest.raises(PoolQueueFullError):
            pool.client.get(key)


def work_in_many_ways(pool: ClusterPool, number: int) -> None:
    for turn in range(12):
        with pool.lease() as client:
            client.set(f"{number}:{turn}", turn)
            pipe = client.pipeline()
            for other in range(6):
                pipe.incr(f"{number}:{turn}:{other}")
            assert pipe.execute() == [1] * 6
        assert pool.client.get(f"{number}:{turn}") == str(turn).encode()
        if turn % 4 == 0:
            topology = pool.engine().nodes_manager
            topology._refreshed_at = 0.0
            topology.initialize()


def test_servers_never_see_more_connections_than_the_bound(cluster):
    """With many threads, leases and pipelines; those that ask for the map are among them."""
    bound, seen = 3, dict.fromkeys((node.name for node in cluster.nodes), 0)
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for node in cluster.nodes:
                seen[node.name] = max(seen[node.name], node.count_clients())

    with ClusterPool.from_url(cluster.url, max_connections=bound, timeout=20) as pool:
        looking = spawn(look)
        for thread in [spawn(work_in_many_ways, pool, number) for number in range(24)]:
            thread.result(40)
        over.set()
        looking.result()
        assert pool.stats().timed_out == 0
    assert max(seen.values()) == bound, seen  # it was reached, and never passed


def test_numbers_of_the_nodes_add_up_to_those_of_the_pool(cluster, pool):
    """One consistent way to read them: by node, or in all."""
    for number in range(30):
        pool.client.set(f"key:{number}", number)
    with pool.lease() as client:
        client.get("key:1")
        each, total = pool.node_stats(), pool.stats()
        assert each.keys() >= {node.name for node in cluster.masters()}
        sums = {"max_connections", "in_use", "idle", "acquired", "released", "created"}
        assert sums < {field.name for field in fields(PoolStats)}
        for name in sums:
            assert getattr(total, name) == sum(getattr(stats, name) for stats in each.values())
    assert total.alias == "default"
    assert total.in_use == 1
    assert total.acquired >= 31
    assert {stats.alias for stats in each.values()} == {f"default@{name}" for name in each}
    assert repr(pool).startswith(f'<ClusterPool "default" in_use=0 idle={pool.stats().idle} ')


def test_numbers_of_a_node_that_has_left_stay_in_the_sum(redis_server):
    """Its pool closes when its last connection is back, and what it has counted is kept."""
    nodes = Nodes("default", {"max_connections": 2})
    with nodes.of(redis_server.host, redis_server.port).lease() as client:
        client.ping()
        nodes.keep_only([])
        assert nodes.stats().in_use == 1
    before = nodes.stats()
    nodes.keep_only([])
    after = nodes.stats()
    assert nodes.each() == []
    assert (after.acquired, after.released, after.created) == (1, 1, 1)
    assert (before.acquired, before.max_connections, after.max_connections) == (1, 2, 0)
    assert after.discarded == before.discarded


def test_resize_is_of_each_node_and_of_those_to_come(cluster):
    """Fewer: idle ones close now. More: those who wait have them."""
    with ClusterPool.from_url(cluster.url, max_connections=1, timeout=10) as pool:
        key = cluster.key_on(cluster.masters()[0])
        with pool.lease() as holder:
            holder.get(key)
            waiting = spawn(pool.client.get, key)
            wait_until(lambda: pool.stats().waiting == 1)
            pool.resize(2)
            assert waiting.result() is None
        assert pool.max_connections == 2
        assert pool.nodes.of("another", 7000).max_connections == 2
        with pytest.raises(ConfigError):
            pool.resize(0)


def test_close_refuses_waiters_and_callers_at_once(cluster):
    """Those who hold a connection are not cut."""
    key = cluster.key_on(cluster.masters()[0])
    pool = ClusterPool.from_url(cluster.url, max_connections=1, timeout=20)
    with pool.lease() as holder:
        holder.set(key, 1)
        waiting = spawn(pool.client.get, key)
        wait_until(lambda: pool.stats().waiting == 1)
        assert pool.close() is False
        with pytest.raises(PoolClosedError):
            waiting.result()
        with pytest.raises(PoolClosedError) as caught:
            pool.nodes.of("elsewhere", 1)
        assert caught.value.alias == "default"
        assert caught.value.stats.is_closed
        assert 5 <= caught.value.retry_after <= 10
        with pytest.raises(PoolClosedError):
            pool.client.get(key)
        assert holder.get(key) == b"1"
    assert pool.close() is True
    assert pool.is_closed
    stats = pool.stats()
    assert (stats.is_closed, stats.in_use, stats.idle) == (True, 0, 0)


def test_drain_renews_and_warm_up_fills_each_primary(cluster, pool):
    """Both as the pool of one server does."""
    assert pool.warm_up(2) == 6
    assert all(pool.node_stats()[node.name].idle == 2 for node in cluster.masters())
    pool.drain()
    assert pool.stats().idle == 0
    pool.pause()
    waiting = spawn(pool.client.get, "a")
    wait_until(lambda: pool.stats().waiting == 1)
    pool.resume()
    assert waiting.result() is None


def test_alias_of_a_cluster_works_like_any_other(cluster):
    """get_pool, get_redis inside and outside of a scope, and stats."""
    redis_pool_ext.configure({"default": {"URL": cluster.url, "MAX_CONNECTIONS": 2}})
    pool = get_pool()
    assert isinstance(pool, ClusterPool)
    assert get_pool() is pool
    get_redis().set("a", 1)
    assert pool.stats().in_use == 0
    with lease_scope("a task"):
        client = get_redis()
        assert client is get_redis()
        assert isinstance(client, redis.RedisCluster)
        assert client.get("a") == b"1"
        assert pool.stats().in_use == 1
    assert pool.stats().in_use == 0


def test_first_address_that_is_dead_does_not_matter(cluster):
    """One of them has to answer."""
    dead = "127.0.0.1:1"
    url = f"redis+cluster://{dead},{cluster.nodes[4].name}?timeout=1"
    with ClusterPool.from_url(url) as pool:
        assert pool.client.set("a", 1)
        assert dead not in pool.node_stats()  # its pool is closed, as it is no node


def test_cluster_that_is_not_there_is_unavailable_within_the_timeout():
    """The error is that of the dial, and the next caller tries again."""
    with ClusterPool.from_url("redis+cluster://127.0.0.1:1,127.0.0.1:2?timeout=0.5") as pool:
        for _ in range(2):
            with pytest.raises(PoolUnavailableError, match="Redis cannot be reached"):
                pool.client.get("a")
        with pool.lease() as client, pytest.raises(PoolUnavailableError):
            client.pipeline().get("a").execute()


def test_server_that_is_no_cluster_says_so(redis_server):
    """It is a wrong setting, and no reason to come again later."""
    pool = ClusterPool.from_url(f"redis+cluster://127.0.0.1:{redis_server.port}")
    with pool, pytest.raises(redis.exceptions.RedisClusterException, match="not enabled"):
        pool.client.get("a")


def test_first_commands_of_many_threads_ask_for_the_map_once(cluster):
    """The others wait for the answer."""
    for node in cluster.nodes:
        node.say("CONFIG RESETSTAT")
    barrier = threading.Barrier(16)
    with ClusterPool.from_url(cluster.url, timeout=10) as pool:

        def work(number: int) -> None:
            barrier.wait(20)
            pool.client.set(f"key:{number}", number)

        before = cluster.count_questions()
        for thread in [spawn(work, number) for number in range(16)]:
            thread.result()
        assert cluster.count_questions() - before == 1


def test_slots_agree_with_redis_py(cluster, pool):
    """A key goes straight to its node: no redirection is needed where nothing moves."""
    for number in range(50):
        pool.client.set(f"key:{number}", number)
        assert pool.client.keyslot(f"key:{number}") == key_slot(f"key:{number}".encode())
    assert pool.engine().nodes_manager.redirects == 0


def test_password_is_for_all_nodes(cluster):
    """A wrong one is the server's own answer, and no reason to come again later."""
    for node in cluster.nodes:
        node.say("CONFIG SET", "masterauth", "s3cret")
    for node in cluster.nodes:
        node.say("CONFIG SET", "requirepass", "s3cret")
    try:
        url = cluster.url.replace("://", "://default:{}@")
        with ClusterPool.from_url(url.format("s3cret")) as pool:
            for node in cluster.nodes:
                assert pool.client.ping(target_nodes=pool.client.get_node(node_name=node.name))
        with ClusterPool.from_url(url.format("wrong")) as pool:
            with pytest.raises(redis.AuthenticationError) as caught:
                pool.client.get("a")
            assert "wrong" not in f"{caught.value!r}"
    finally:
        for node in cluster.nodes:
            with node.admin(password="s3cret") as admin:
                admin.config_set("requirepass", "")


class TestSettings:
    """What cannot be had, said when it is set."""

    def test_database_other_than_0_is_refused(self):
        """A cluster has one."""
        with pytest.raises(ConfigError, match="no databases but 0"):
            ClusterPool.from_url("redis+cluster://h:7000/1")
        ClusterPool.from_url("redis+cluster://h:7000/0").close()

    def test_pool_of_one_server_is_not_made_for_a_cluster(self):
        """It would talk to one node as if it were all of them."""
        with pytest.raises(ConfigError, match="which has no RedisPool"):
            redis_pool_ext.RedisPool.from_url("redis+cluster://h:7000")
        with pytest.raises(ConfigError, match="redis\\+cluster://"):
            ClusterPool.from_url("redis://h:7000")

    def test_password_is_in_no_repr_or_message(self):
        """Neither in those of a node."""
        with ClusterPool.from_url("redis+cluster://me:secret@127.0.0.1:1?timeout=0.2") as pool:
            with pytest.raises(PoolUnavailableError) as caught:
                pool.client.get("a")
            assert "secret" not in f"{pool!r} {caught.value} {caught.value!r} {pool.client!r}"

    def test_tls_is_that_of_each_node(self):
        """`rediss+cluster://` takes redis-py's TLS arguments."""
        url = "rediss+cluster://h:7000?ssl_cert_reqs=none"
        with ClusterPool.from_url(url) as pool:
            assert pool.connection_class is redis.SSLConnection
            assert pool.nodes.of("h", 7001).connection_kwargs["ssl_cert_reqs"] == "none"
