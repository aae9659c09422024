"""A lease of a cluster: at most one connection per node, from the first command to the end."""

from __future__ import annotations

import gc
import signal
import threading

import pytest
import redis
from redis.exceptions import CrossSlotTransactionError, RedisClusterException, WatchError

from redis_pool_ext import ClusterPool, ConnectionPoolTimeoutError, LeaseError
from redis_pool_ext.cluster.lease import ClusterLease

from ..support.forks import FORK_WARNS, in_child
from ..support.threads import spawn, wait_until


def in_use(pool: ClusterPool) -> dict[str, int]:
    return {name: stats.in_use for name, stats in pool.node_stats().items() if stats.in_use}


def test_nothing_connects_before_the_first_command(cluster, pool):
    """A lease and its client are made for requests that may never talk to Redis."""
    with pool.lease() as client:
        assert isinstance(client, redis.RedisCluster)
        assert repr(client) == '<LeasedCluster of "default">'
    assert pool.stats().created == 0


def test_lease_holds_one_connection_per_node_it_talked_to(cluster, pool):
    """The same one each time, seen by the node itself; all are back at the end."""
    first, second, third = cluster.masters()
    with pool.lease() as client:
        client.set("warm", 1)  # which asks for the map of the cluster, somewhere
        client.release()
        ids = {client.get_redis_connection(client.get_node(node_name=first.name)).client_id()}
        for key, _ in zip(cluster.keys_on(first), range(20), strict=False):
            client.set(key, key)
            ids.add(client.get_redis_connection(client.get_node(node_name=first.name)).client_id())
        assert len(ids) == 1
        assert in_use(pool) == {first.name: 1}
        client.set(cluster.key_on(second), 1)
        assert in_use(pool) == {first.name: 1, second.name: 1}
    assert in_use(pool) == {}
    assert third.name not in in_use(pool)


def test_release_gives_back_early_and_next_command_takes_again(cluster, pool):
    """As a leased client of one server has it."""
    with pool.lease() as client:
        client.set("a", 1)
        client.release()
        assert in_use(pool) == {}
        assert client.get("a") == b"1"
        assert sum(in_use(pool).values()) == 1


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.get("a"),
        lambda client: client.pipeline().get("a").execute(),
        lambda client: client.dbsize(target_nodes=client.PRIMARIES),
        lambda client: client.pubsub().subscribe("a"),
        lambda client: client.transaction(lambda pipe: pipe.get("a"), "a"),
        lambda client: client.lock("a").acquire(),
    ],
    ids=["command", "pipeline", "all nodes", "pubsub", "transaction", "lock"],
)
def test_use_after_the_end_raises(cluster, pool, use):
    """It does not connect behind anybody's back."""
    with pool.lease() as client:
        client.get("a")
    before = pool.stats().acquired
    with pytest.raises(LeaseError, match="has ended with its request"):
        use(client)
    assert pool.stats().acquired == before


def test_nested_use_of_every_kind_takes_no_second_connection(cluster):
    """With one connection per node, what a client makes stays on the lease's."""
    with ClusterPool.from_url(cluster.url, max_connections=1, timeout=0.5) as pool:
        with pool.lease() as client:
            keys = [cluster.key_on(node) for node in cluster.masters()]
            assert client.mset_nonatomic(dict.fromkeys(keys, 1)) == [True] * 3
            assert client.pipeline().get(keys[0]).get(keys[1]).get(keys[2]).execute() == [b"1"] * 3
            assert client.delete(*keys) == 3
            with client.lock("a lock", timeout=5):
                script = client.register_script("return redis.call('incr', KEYS[1])")
                assert script(keys=[keys[0]]) == 1
            assert client.eval("return KEYS[1]", 1, keys[1]) == keys[1].encode()
            assert client.dbsize(target_nodes=client.PRIMARIES) == 1
        assert max(stats.in_use for stats in pool.node_stats().values()) == 0
        assert pool.stats().timed_out == 0


def test_pipeline_keeps_the_order_of_its_commands(cluster, pool):
    """Whatever node each goes to."""
    with pool.lease() as client:
        pipe = client.pipeline()
        for number in range(200):
            pipe.set(f"key:{number}", number)
            pipe.get(f"key:{number}")
        replies = pipe.execute()
    assert replies[1::2] == [str(number).encode() for number in range(200)]


def test_pipeline_raises_the_first_error_and_keeps_the_connection(cluster, pool):
    """A wrong type is the program's mistake, not the cluster's."""
    with pool.lease() as client:
        client.set("text", "x")
        with pytest.raises(redis.ResponseError, match=r"Command # 2 .* WRONGTYPE"):
            client.pipeline().set("a", 1).lpush("text", 1).get("a").execute()
        replies = client.pipeline().lpush("text", 1).get("a").execute(raise_on_error=False)
        assert isinstance(replies[0], redis.ResponseError)
        assert replies[1] == b"1"
    assert not pool.stats().discarded


def test_transaction_commits_on_the_leased_connection(cluster, pool):
    """WATCH, a read, MULTI and EXEC for one slot; a second connection is never asked for."""
    with pool.lease() as client:
        client.set("{a}n", 1)
        with client.pipeline(transaction=True) as pipe:
            pipe.watch("{a}n")
            number = int(pipe.get("{a}n"))
            pipe.multi()
            pipe.set("{a}n", number + 1)
            pipe.get("{a}n")
            assert pipe.execute() == [b"OK", b"2"]  # redis-py's: no callbacks here
        assert sum(in_use(pool).values()) == 1
        assert client.get("{a}n") == b"2"
    assert not pool.stats().discarded


def test_watched_key_that_changes_raises(cluster, pool):
    """The change comes from another lease, so from another connection."""
    with pool.lease() as client, pool.lease() as other:
        with client.pipeline(transaction=True) as pipe:
            pipe.watch("{a}n")
            other.set("{a}n", "meanwhile")
            pipe.multi()
            pipe.set("{a}n", "too late")
            with pytest.raises(WatchError):
                pipe.execute()
        assert client.get("{a}n") == b"meanwhile"
        assert {each.depth for each in client.connection_pool.held} == {0}  # others may use it


def test_transaction_over_two_slots_is_refused_as_redis_py_does(cluster, pool):
    """No cluster can do that."""
    with pool.lease() as client:
        pipe = client.pipeline(transaction=True)
        pipe.set("{a}", 1)
        pipe.set("{b}", 1)
        with pytest.raises(CrossSlotTransactionError):
            pipe.execute()
        pipe.reset()
        with pytest.raises(RedisClusterException, match="same key slot"):
            client.mget("{a}", "{b}")
        assert client.get("{a}") is None


def test_second_transaction_beside_a_watch_on_the_same_node_raises(cluster, pool):
    """It would end the first one's WATCH unseen."""
    with pool.lease() as client, client.pipeline(transaction=True) as pipe:
        pipe.watch("{a}n")
        second = client.pipeline(transaction=True)
        second.set("{a}m", 1)
        with pytest.raises(LeaseError, match="end that WATCH unseen"):
            second.execute()
        pipe.multi()
        pipe.set("{a}n", 1)
        pipe.execute()


def test_watch_that_was_left_is_not_met_by_the_next_borrower(cluster, pool):
    """The connection closes instead."""
    with pool.lease() as client:
        pipe = client.pipeline(transaction=True)
        pipe.watch("{a}n")
    assert sum(pool.stats().discarded.values()) == 1
    assert in_use(pool) == {}


def test_pubsub_has_a_connection_of_its_own_that_comes_back_with_the_lease(cluster, pool):
    """Messages are received beside commands on the same node."""
    with pool.lease() as client:
        pubsub = client.pubsub()
        pubsub.subscribe("channel")
        assert pubsub.get_message(timeout=5)["type"] == "subscribe"
        client.publish("channel", "hello")
        assert pubsub.get_message(timeout=5)["data"] == b"hello"
        assert sum(in_use(pool).values()) >= 1
    assert in_use(pool) == {}


def test_pubsub_of_the_pools_client_gives_back_when_it_is_closed(cluster, pool):
    """There is no lease that would do that."""
    pubsub = pool.client.pubsub()
    pubsub.subscribe("channel")
    assert pubsub.get_message(timeout=5)["type"] == "subscribe"
    assert sum(in_use(pool).values()) == 1
    pubsub.close()
    assert in_use(pool) == {}


def test_monitor_has_a_connection_of_its_own(cluster, pool):
    """It sees what the lease does, at the node that it looks at."""
    with pool.lease() as client:
        node = client.get_default_node()
        client.ping(target_nodes=node)  # which connects: the monitor would see that
        with client.monitor(node) as monitor:
            client.ping(target_nodes=node)
            assert monitor.next_command()["command"] == "PING"
    assert in_use(pool) == {}


def test_pools_client_borrows_per_command(cluster, pool):
    """Nothing stays out, also of pipelines and transactions."""
    client = pool.client
    assert isinstance(client, redis.RedisCluster)
    client.set("a", 1)
    assert client.pipeline().get("a").incr("b").execute() == [b"1", 1]
    assert client.transaction(lambda pipe: pipe.multi() or pipe.incr("{c}"), "{c}") == [1]
    assert client.dbsize(target_nodes=client.PRIMARIES) == 3
    assert client.exists("a", "b", "no") == 2
    assert in_use(pool) == {}


def test_callback_that_is_set_holds_for_that_client_alone(cluster, pool):
    """The others' are shared."""
    pool.client.set_response_callback("GET", lambda response, **_options: "mine")
    with pool.lease() as client:
        assert client.get("a") is None
    assert pool.client.get("a") == "mine"


def test_lease_that_is_dropped_frees_its_connections(cluster, pool):
    """Without a round of the garbage collector: nothing in it refers to itself."""
    gc.disable()
    try:
        lease = pool.lease()
        lease.client().set("a", 1)
        lease.client().pipeline().get("a").execute()
        assert pool.stats().in_use == 1
        del lease
        wait_until(lambda: pool.stats().in_use == 0)
    finally:
        gc.enable()


def test_threads_that_share_a_lease_take_turns(cluster, pool):
    """Nobody reads somebody else's reply."""
    with pool.lease() as client:

        def work(number: int) -> None:
            for turn in range(40):
                key = f"{number}:{turn % 5}"
                client.set(key, f"{number} {turn}")
                assert client.get(key) == f"{number} {turn}".encode()

        for thread in [spawn(work, number) for number in range(8)]:
            thread.result()
        assert max(stats.in_use for stats in pool.node_stats().values()) == 1


def test_end_by_another_thread_takes_the_connection_from_a_blocked_one(cluster, pool):
    """A request that is cancelled does not keep a connection until BLPOP returns."""
    lease = pool.lease()
    blocked = spawn(lease.client().blpop, "nothing there", 30)
    wait_until(lambda: pool.stats().in_use == 1)
    lease.end()
    with pytest.raises((redis.ConnectionError, LeaseError)):
        blocked.result()
    assert in_use(pool) == {}


def test_signal_handler_in_the_middle_of_a_command_is_refused(cluster, pool):
    """It would read the command's reply; that goes on, and has it."""
    told: list[str] = []

    def handler(*_args: object) -> None:
        try:
            client.set("list", "text")
        except LeaseError as error:
            told.append(str(error))
        spawn(pool.client.rpush, "list", "an element").result()

    with pool.lease() as client:
        client.get("list")
        before = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            assert client.blpop("list", 10) == (b"list", b"an element")
        finally:
            signal.signal(signal.SIGALRM, before)
    assert len(told) == 1
    assert "in the middle of another command of this thread" in told[0]


def test_leases_that_need_each_others_nodes_do_not_wait_for_each_other(cluster):
    """A waits for the second node with the first one's connection, B the other way round."""
    first, second, _ = cluster.masters()
    keys = cluster.key_on(first), cluster.key_on(second)
    both_hold = threading.Barrier(2)
    with ClusterPool.from_url(cluster.url, max_connections=1, timeout=10) as pool:
        pool.client.set(keys[0], 1)

        def work(here: str, there: str) -> None:
            with pool.lease() as client:
                for _ in range(20):
                    client.get(here)
                    both_hold.wait(20)
                    client.get(there)
                    client.release()
                    both_hold.wait(20)

        for thread in [spawn(work, *keys), spawn(work, *reversed(keys))]:
            thread.result()
        assert pool.stats().timed_out == 0


def test_pipelines_over_the_same_nodes_do_not_wait_for_each_other(cluster):
    """Each needs all nodes at once; they are taken in one order, whatever the commands'."""
    keys = [cluster.key_on(node) for node in cluster.masters()]
    with ClusterPool.from_url(cluster.url, max_connections=1, timeout=10) as pool:

        def work(order: list[str]) -> None:
            for _ in range(60):
                pipe = pool.client.pipeline()
                for key in order:
                    pipe.incr(key)
                pipe.execute()

        orders = [keys, keys[::-1], keys[1:] + keys[:1], [keys[1], keys[0], keys[2]]]
        for thread in [spawn(work, order) for order in orders]:
            thread.result()
        assert pool.stats().timed_out == 0
        assert [int(pool.client.get(key)) for key in keys] == [240] * 3


def test_hold_command_borrows_for_each_command(cluster):
    """Nothing stays out between two commands of a lease."""
    url = f"{cluster.url}?hold=command&max_connections=1"
    with ClusterPool.from_url(url) as pool, pool.lease() as client:
        client.set("a", 1)
        assert client.pipeline().get("a").get("b").execute() == [b"1", None]
        assert in_use(pool) == {}


def test_request_that_was_refused_does_not_wait_a_second_time(cluster):
    """With `waits_once`, as in a web request, what is left of the first wait is all it has."""
    node = cluster.masters()[0]
    key = cluster.key_on(node)
    with ClusterPool.from_url(cluster.url, max_connections=1, timeout=0.2) as pool:
        with pool.lease() as holder:
            holder.get(key)
            with pool.lease(waits_once=True) as client:
                for _ in range(5):
                    with pytest.raises(ConnectionPoolTimeoutError):
                        client.get(key)
        assert pool.stats().wait_seconds < 0.5
        assert pool.stats().timed_out == 5


def test_holder_is_signed_at_each_node(cluster, pool):
    """Reports name who has a connection, wherever it is."""
    with pool.lease("a view") as client:
        client.mset_nonatomic({cluster.key_on(node): 1 for node in cluster.masters()})
        lease = client.connection_pool
        assert isinstance(lease, ClusterLease)
        lease.holder = "another view"
        slots = [held.slot for each in lease.held for held in each.held]
        assert [slot.holder for slot in slots] == ["another view"] * 3


@FORK_WARNS
def test_forked_child_has_a_map_and_connections_of_its_own(cluster, pool):
    """The parent's lease refuses there, its pool works, and the parent goes on undisturbed."""
    shared = pool.client
    with pool.lease() as client:
        client.set("a", 1)
        engine = pool.engine()

        def child() -> None:
            with pytest.raises(LeaseError, match="after a fork, take a lease in the child"):
                client.get("a")
            assert shared.get("a") == b"1"
            assert pool.engine() is not engine
            with pool.lease() as own:
                assert own.get("a") == b"1"

        in_child(child)
        assert client.get("a") == b"1"
        assert pool.engine() is engine


@FORK_WARNS
def test_fork_while_the_map_is_locked_leaves_the_child_able(cluster, pool):
    """redis-py's locks are as the parent's threads had them; the child asks none of them."""
    pool.client.set("a", 1)
    topology = pool.engine().nodes_manager
    locked, done = threading.Event(), threading.Event()

    def keep_locked() -> None:
        with topology._refreshing, topology._lock, pool._lock.mine(), pool.engine()._lock:
            locked.set()
            done.wait(20)

    thread = spawn(keep_locked)
    assert locked.wait(20)
    try:
        in_child(lambda: pool.client.pipeline().get("a").execute() == [b"1"] or 1 / 0)
    finally:
        done.set()
        thread.result()


def test_every_lease_is_of_the_same_map(cluster, pool):
    """It is asked for once per process, not once per request."""
    with pool.lease() as one, pool.lease() as other:
        assert one.nodes_manager is other.nodes_manager is pool.engine().nodes_manager
