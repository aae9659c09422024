"""Slots that move and nodes that are lost, under load: nobody reads somebody else's reply."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import WatchError
from redis.retry import Retry

from redis_pool_ext import ClusterPool, PoolUnavailableError, RedisPoolError
from redis_pool_ext.cluster.topology import REFRESH_EVERY

from ..support.cluster import NODE_TIMEOUT, Cluster, elapsed, slot_of
from ..support.threads import Spawned, spawn, wait_until

TIMEOUT = 0.5
# Seconds that a command takes at most: twice TIMEOUT, and this machine's own delays.
BOUND = 2 * TIMEOUT + 1.0
# Seconds until a replica is promoted: the node is silent for NODE_TIMEOUT, the others agree on
# that, and the replica waits up to one more second for its election.
PROMOTED_WITHIN = NODE_TIMEOUT + 6


FIGURES: dict[str, float] = {}  # of a killed master, for whoever looks


class Load:
    """Threads that write and read keys of their own; each reply must be what was written last."""

    def __init__(self, pool: ClusterPool, keys: Callable[[int], list[str]], threads: int) -> None:
        self.errors: list[BaseException] = []
        self.longest = 0.0
        self.done = 0
        self._pool, self._over = pool, threading.Event()
        self._threads: list[Spawned] = [spawn(self._work, keys(i), i) for i in range(threads)]

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.result()

    def wait_for_more(self, count: int) -> None:
        enough = self.done + count
        wait_until(lambda: self.done >= enough)

    def is_smooth(self) -> bool:
        """Tell whether some hundred rounds pass without an error."""
        errors = len(self.errors)
        self.wait_for_more(120)
        return len(self.errors) == errors

    def _work(self, keys: list[str], number: int) -> None:
        turn = 0
        while not self._over.is_set():
            turn += 1
            key, value = keys[turn % len(keys)], f"{number} {turn}"
            use = (self._by_lease, self._by_command, self._by_pipeline)[turn % 3]
            began = time.monotonic()
            try:
                reply = use(key, value)
            except (redis.RedisError, RedisPoolError) as error:
                self.errors.append(error)
                time.sleep(0.005)
            else:
                assert reply == value.encode()
                self.done += 1
            self.longest = max(self.longest, time.monotonic() - began)

    def _by_lease(self, key: str, value: str) -> bytes | None:
        with self._pool.lease() as client:
            client.set(key, value)
            return client.get(key)

    def _by_command(self, key: str, value: str) -> bytes | None:
        self._pool.client.set(key, value)
        return self._pool.client.get(key)

    def _by_pipeline(self, key: str, value: str) -> bytes | None:
        return self._pool.client.pipeline().set(key, value).get(key).execute()[1]


@contextmanager
def load(pool: ClusterPool, keys: Callable[[int], list[str]], threads: int = 6) -> Iterator[Load]:
    running = Load(pool, keys, threads)
    try:
        running.wait_for_more(threads)
        yield running
    finally:
        running.end()


@pytest.fixture
def pool(cluster: Cluster) -> Iterator[ClusterPool]:
    with ClusterPool.from_url(
        cluster.url, max_connections=4, timeout=TIMEOUT, socket_timeout=5
    ) as pool:
        yield pool
        assert pool.stats().in_use == 0


def everywhere(cluster: Cluster) -> Callable[[int], list[str]]:
    """Return keys for a thread, of all masters."""
    masters = cluster.masters()
    return lambda thread: [cluster.key_on(node, f"thread {thread}") for node in masters]


class TestSlotsThatMove:
    """MOVED and ASK are followed; no command fails, and no reply is mixed up."""

    def test_slot_that_has_moved_is_followed_under_load(self, cluster, pool):
        """There and back again: each move is met as a MOVED, and the map is mended."""
        source, target, _ = cluster.masters()
        tag = cluster.key_on(source, "tag")
        slot = slot_of(tag)
        with load(pool, lambda thread: [f"{{{tag}}}{thread}:{n}" for n in range(5)]) as running:
            for here, there in [(source, target), (target, source)] * 2:
                cluster.move(slot, here, there)
                running.wait_for_more(60)
                assert cluster.master_of(tag) == there
        assert running.errors == []
        assert not pool.stats().discarded

    def test_slot_on_its_way_is_asked_for_at_both_ends(self, cluster, pool):
        """Old keys are at the source, new ones at the target, as long as it takes."""
        source, target, _ = cluster.masters()
        tag = cluster.key_on(source, "tag")
        with load(pool, lambda thread: [f"{{{tag}}}{thread}:{n}" for n in range(5)]) as running:
            with cluster.migration(slot_of(tag), source, target) as move:
                fresh = [f"{{{tag}}}new:{number}" for number in range(50)]
                with pool.lease() as client:
                    for key in fresh:
                        client.set(key, key)
                    assert [client.get(key) for key in fresh] == [key.encode() for key in fresh]
                assert target.say("CLUSTER COUNTKEYSINSLOT", slot_of(tag)) >= 50
                assert source.say("CLUSTER COUNTKEYSINSLOT", slot_of(tag)) > 0
                running.wait_for_more(60)
                move()
                running.wait_for_more(60)
            running.wait_for_more(60)
            cluster.move(slot_of(tag), target, source)
        assert running.errors == []
        # ASKING leaves nothing behind: the connections are kept.
        assert not pool.stats().discarded

    def test_pipeline_over_a_slot_on_its_way_has_all_replies_in_order(self, cluster, pool):
        """What was redirected is executed by itself, the rest was not sent again."""
        source, target, third = cluster.masters()
        tag, other = cluster.key_on(source, "tag"), cluster.key_on(third, "other")
        with cluster.migration(slot_of(tag), source, target):
            pipe = pool.client.pipeline()
            for number in range(20):
                pipe.incr(f"{{{tag}}}{number}")
                pipe.incr(other)
            assert pipe.execute() == [each for n in range(1, 21) for each in (1, n)]
        pipe = pool.client.pipeline()
        for number in range(20):
            pipe.incr(f"{{{tag}}}{number}")
        assert pipe.execute() == [2] * 20
        cluster.move(slot_of(tag), target, source)

    def test_transaction_follows_a_slot_that_has_moved(self, cluster, pool):
        """MULTI is refused there with MOVED, and was not executed."""
        source, target, _ = cluster.masters()
        tag = cluster.key_on(source, "tag")
        with pool.lease() as client:
            client.get(tag)
            cluster.move(slot_of(tag), source, target)
            pipe = client.pipeline(transaction=True)
            assert pipe.incr(tag).incr(tag).execute() == [1, 2]
            assert {each.depth for each in client.connection_pool.held} == {0}
            assert client.get(tag) == b"2"
        cluster.move(slot_of(tag), target, source)

    def test_watch_that_was_for_a_slot_that_moves_raises(self, cluster, pool):
        """The node that watched it does not have it any more; the next attempt succeeds."""
        source, target, _ = cluster.masters()
        tag = cluster.key_on(source, "tag")
        with pool.lease() as client:
            with client.pipeline(transaction=True) as pipe:
                pipe.watch(tag)
                cluster.move(slot_of(tag), source, target)
                pipe.multi()
                pipe.incr(tag)
                with pytest.raises(WatchError):
                    pipe.execute()
            assert {each.depth for each in client.connection_pool.held} == {0}
            assert client.transaction(lambda pipe: pipe.multi() or pipe.incr(tag), tag) == [1]
        cluster.move(slot_of(tag), target, source)

    def test_node_without_slots_is_asked_too(self, cluster, pool):
        """It is on no map as long as the first slot is on its way to it."""
        with pool.lease() as client:
            client.get("a")
            assert client.get_node(node_name="127.0.0.1:1") is None
            with client.connection_pool.operation():
                assert client.get_node(node_name="127.0.0.1:1").port == 1


class TestNodesThatAreLost:
    """A killed master's slots are served again by its replica; nobody hangs meanwhile."""

    def test_killed_master_is_replaced_under_load(self, cluster, pool):
        """The bound holds for every command, errors end with the promotion, leases recover."""
        victim = cluster.masters()[0]
        key = cluster.key_on(victim, "lease")
        names = {node.name for node in cluster.masters()}
        with load(pool, everywhere(cluster)) as running, pool.lease() as before:
            before.set(key, "before")
            victim.stop()  # kill -9
            killed = time.monotonic()
            wait_until(lambda: cluster_serves(pool, key), PROMOTED_WITHIN)
            served_after = time.monotonic() - killed
            running.wait_for_more(60)
            # One error may be left: that of a connection that nobody looked at since.
            assert elapsed(lambda: before.get(key)) < BOUND
            before.set(key, "after")
            assert before.get(key) == b"after"
            # A node that has not heard of the promotion may have been asked for the map.
            wait_until(running.is_smooth)
            errors = len(running.errors)
        FIGURES.update(served_after=served_after, longest=running.longest, errors=errors)
        assert running.longest < 3 * BOUND  # of two or three commands
        assert all(
            isinstance(error, redis.ConnectionError | redis.TimeoutError)
            for error in running.errors
        ), running.errors
        assert victim.name not in pool.node_stats()  # its pool is closed, as it has left
        assert names - {victim.name} < pool.node_stats().keys()
        assert pool.stats().acquired >= running.done  # what it has counted stays in the sum

    def test_command_to_a_lost_node_is_told_within_the_bound(self, cluster, pool):
        """Until the replica is promoted it is PoolUnavailableError: a 503, and no wait for it."""
        victim, other, _ = cluster.masters()
        key, elsewhere = cluster.key_on(victim), cluster.key_on(other)
        pool.client.set(key, 1)
        replica = cluster.replica_of(victim)
        pool.client.set_default_node(pool.client.get_node(node_name=victim.name))
        replica.stop()  # nobody is promoted
        victim.stop()
        assert pool.client.ping() is True  # any node will do
        with pool.lease() as client:
            for use in (
                lambda: client.get(key),
                lambda: pool.client.get(key),
                client.pipeline().get(key).get(elsewhere).execute,
                client.pipeline(transaction=True).get(key).execute,
            ):
                began = time.monotonic()
                with pytest.raises(redis.ConnectionError):
                    use()
                assert time.monotonic() - began < BOUND
            with pytest.raises(PoolUnavailableError):
                client.get(key)
        # Some time later the others know, and serve nothing: the cluster is down.
        wait_until(lambda: other.say("CLUSTER INFO")["cluster_state"] == "fail")
        began = time.monotonic()
        with pytest.raises(PoolUnavailableError, match="a part of the cluster is down") as caught:
            pool.client.set(elsewhere, 1)
        assert time.monotonic() - began < BOUND
        assert 5 <= caught.value.retry_after <= 10  # not all of them at once
        cluster.heal()
        wait_until(lambda: pool.stats().circuit == "closed")  # the housekeeper looks for it
        assert pool.client.set(elsewhere, 2)
        assert pool.client.set(key, 2)

    def test_commands_to_a_lost_node_do_not_flood_the_others_with_questions(self, cluster, pool):
        """Many fail, each asks where its slot is by now, and one question a while is sent."""
        victim = cluster.masters()[0]
        key = cluster.key_on(victim)
        pool.client.set(key, 1)
        cluster.replica_of(victim).stop()
        victim.stop()
        before, began = cluster.count_questions(), time.monotonic()
        for _ in range(300):
            with pytest.raises(redis.ConnectionError):
                pool.client.get(key)
        asked, spent = cluster.count_questions() - before, time.monotonic() - began
        assert asked <= spent / REFRESH_EVERY + 2

    def test_promotion_by_command_is_followed(self, cluster, pool):
        """The old master is a replica then, and sends everybody away."""
        master = cluster.masters()[0]
        key = cluster.key_on(master)
        with pool.lease() as client:
            client.set(key, 0)
            cluster.promote(cluster.replica_of(master))
            assert client.incr(key) == 1
            assert client.pipeline().incr(key).incr(key).execute() == [2, 3]
        assert cluster.master_of(key) != master

    def test_frozen_master_is_given_up_within_the_bound(self, cluster):
        """It accepts connections and answers nothing, until it is thawed as a replica."""
        victim = cluster.masters()[0]
        key = cluster.key_on(victim)
        pool = ClusterPool.from_url(cluster.url, timeout=TIMEOUT, socket_timeout=0.3)
        with pool, pool.lease() as client:
            client.set(key, 1)
            victim.freeze()
            try:
                frozen = time.monotonic()
                longest = 0.0
                while not cluster_serves(pool, key):
                    longest = max(longest, elapsed(lambda: client.get(key)))
                    assert time.monotonic() - frozen < PROMOTED_WITHIN
                assert longest < BOUND + 0.3
                assert elapsed(lambda: client.get(key)) < BOUND + 0.3
                assert client.set(key, 2)
            finally:
                victim.thaw()

    def test_cluster_that_is_frozen_is_given_up_within_the_bound(self, cluster, pool):
        """Nobody answers, neither the command nor the question where its slot is."""
        keys = [cluster.key_on(node) for node in cluster.masters()]
        pool.client.mset_nonatomic(dict.fromkeys(keys, 1))
        pool.drain()  # so that each command dials
        for node in cluster.nodes:
            node.freeze()
        try:
            for use in (
                lambda: pool.client.get(keys[0]),
                lambda: pool.client.mget_nonatomic(*keys),
                pool.client.pipeline().get(keys[0]).get(keys[1]).get(keys[2]).execute,
            ):
                began = time.monotonic()
                with pytest.raises(redis.ConnectionError):
                    use()
                assert time.monotonic() - began < BOUND
        finally:
            for node in cluster.nodes:
                node.thaw()

    @pytest.mark.parametrize(
        "incr",
        [
            lambda client, key: client.incr(key),
            lambda client, key: client.eval("return redis.call('incr', KEYS[1])", 1, key),
            lambda client, key: client.pipeline().incr(key).execute(),
            lambda client, key: client.pipeline(transaction=True).incr(key).execute(),
        ],
        ids=["plain", "script", "pipeline", "transaction"],
    )
    def test_command_whose_reply_is_lost_is_not_sent_again(self, cluster, incr):
        """The server has it, and does it; a second time, as redis-py does, is once too often."""
        master = cluster.masters()[0]
        key = cluster.key_on(master)
        pool = ClusterPool.from_url(cluster.url, timeout=0.5, socket_timeout=0.2)
        with pool, pool.lease() as client:
            incr(client, key)
            master.freeze()
            try:
                # Not PoolUnavailableError, as if it had to be sent over another connection.
                with pytest.raises(redis.TimeoutError):
                    incr(client, key)
            finally:
                master.thaw()
        wait_until(lambda: master.say("GET", key) == "2")

    def test_retry_in_the_options_repeats_what_was_sent(self, cluster):
        """Whoever asks for redis-py's way has it, and what comes with it."""
        master = cluster.masters()[0]
        key = cluster.key_on(master)
        retry = Retry(NoBackoff(), 20)
        with ClusterPool.from_url(cluster.url, timeout=2, socket_timeout=0.2, retry=retry) as pool:
            pool.client.get(key)
            master.freeze()
            thawing = threading.Timer(0.4, master.thaw)
            thawing.start()
            try:
                assert pool.client.incr(key) >= 1
            finally:
                thawing.join()

    def test_restart_of_all_nodes_is_survived(self, cluster, pool):
        """Nobody is left who could tell the map; the addresses are asked again."""
        keys = [cluster.key_on(node) for node in cluster.masters()]
        pool.client.set(keys[0], 1)
        for node in cluster.nodes:
            node.stop()
        assert elapsed(lambda: pool.client.get(keys[0])) < BOUND
        with pytest.raises(PoolUnavailableError):
            pool.client.get(keys[0])
        cluster.heal()
        wait_until(lambda: all(cluster_serves(pool, key) for key in keys))


def cluster_serves(pool: ClusterPool, key: str) -> bool:
    try:
        return bool(pool.client.set(key, "served"))
    except redis.RedisError:
        return False
