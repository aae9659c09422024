"""A lease and its client, on a real server: one connection, taken once, until the end."""

from __future__ import annotations

import time

import pytest
import redis

from redis_pool_ext import ConnectionPoolTimeoutError, LeaseError, PoolExhaustedError, RedisPool

from ..support.pools import connections
from ..support.threads import spawn, wait_until


class TestHolding:
    """Taking a connection, once, and giving it back."""

    def test_unused_lease_takes_no_connection(self, pool):
        """A borrower that never talks to Redis takes no slot."""
        with pool.lease():
            assert pool.stats().in_use == 0

        assert pool.stats().created == 0

    def test_first_command_takes_one_connection(self, pool):
        """It is held to the end of the block, and given back."""
        with pool.lease() as client:
            client.set("k", "v")
            client.get("k")
            assert pool.stats().in_use == 1

        stats = pool.stats()
        assert (stats.in_use, stats.idle, stats.acquired) == (0, 1, 1)

    def test_client_is_a_redis_client(self, pool):
        """Type checks, and libraries that make them, are content."""
        with pool.lease() as client:
            assert isinstance(client, redis.Redis)
            assert client.set("k", 1)
            assert client.hset("h", mapping={"a": 1}) == 1
            assert client.hgetall("h") == {b"a": b"1"}

    def test_one_connection_serves_twenty_borrowers_in_turn(self, pool, admin):
        """20 threads one after the other open one connection on the server."""

        def borrow() -> None:
            with pool.lease() as client:
                client.incr("hits")

        for _ in range(20):
            spawn(borrow).result()

        assert connections(admin) == 1
        assert admin.get("hits") == b"20"

    def test_early_release_gives_the_connection_back(self, pool):
        """The next command takes one again."""
        with pool.lease() as client:
            client.ping()
            client.release()
            assert pool.stats().in_use == 0
            client.ping()
            assert pool.stats().in_use == 1

    def test_hold_command_borrows_per_command(self, url):
        """With hold="command" nothing is held between two commands."""
        with RedisPool.from_url(url, hold="command") as pool, pool.lease() as client:
            client.ping()
            assert pool.stats().in_use == 0
            with client.pipeline() as pipe:
                pipe.watch("k")
                assert pool.stats().in_use == 1
            assert pool.stats().in_use == 0

    def test_exhausted_pool_raises_at_the_first_command(self, pool):
        """The wait is the pool's, and so is the error."""
        with pool.lease() as one, pool.lease() as two, pool.lease() as three:
            one.ping()
            two.ping()
            with pytest.raises(ConnectionPoolTimeoutError):
                three.ping()

    def test_request_waits_once(self, url):
        """What a refusal has left of the timeout is all that the lease has: it asks, no more."""
        with RedisPool.from_url(url, max_connections=1) as pool:
            kept = pool.get_connection()
            pool.timeout = 0.4
            with pool.lease(waits_once=True) as client:
                began = time.monotonic()
                for _ in range(5):
                    with pytest.raises(ConnectionPoolTimeoutError):
                        client.ping()
                assert time.monotonic() - began < 0.8  # not five times 0.4
                pool.release(kept)
                assert client.ping()

    def test_task_may_wait_again(self, url):
        """A lease of a task that tries again later has its whole timeout each time."""
        with RedisPool.from_url(url, max_connections=1) as pool:
            kept = pool.get_connection()
            pool.timeout = 0.05
            with pool.lease() as client:
                for _ in range(2):
                    with pytest.raises(ConnectionPoolTimeoutError):
                        client.ping()
            assert pool.stats().wait_seconds > 0.075
            pool.release(kept)

    def test_raising_block_gives_the_connection_back(self, pool):
        """An error of the borrower costs no slot."""
        with pytest.raises(ZeroDivisionError), pool.lease() as client:
            client.ping()
            raise ZeroDivisionError

        assert pool.stats().in_use == 0

    def test_forgotten_lease_loses_no_slot(self, pool):
        """A lease that is never ended gives back when it is dropped."""
        client = pool.lease().client()
        client.ping()
        del client

        assert pool.stats().in_use == 0


class TestStaying:
    """What a client makes stays on the leased connection."""

    def test_pipelines_transactions_locks_and_scripts_take_no_second(self, url):
        """All of them work in a pool of one."""
        with RedisPool.from_url(url, max_connections=1, timeout=5) as pool:
            with pool.lease() as client:
                client.set("n", 1)
                with client.pipeline() as pipe:
                    assert pipe.incr("n").incr("n").execute() == [2, 3]
                with client.pipeline(transaction=False) as pipe:
                    assert pipe.get("n").get("n").execute() == [b"3", b"3"]
                assert client.transaction(lambda p: (p.multi(), p.incr("n")), "n") == [4]
                with client.lock("lock", timeout=5):
                    assert client.register_script("return ARGV[1]")(args=["x"]) == b"x"
                assert list(client.scan_iter("n")) == [b"n"]
                assert client.client().get("n") == b"4"

            assert pool.stats().created == 1

    def test_command_inside_a_watch_shares_the_connection(self, pool):
        """One borrower, one connection, also between WATCH and EXEC."""
        with pool.lease() as client, client.pipeline() as pipe:
            pipe.watch("n")
            assert client.get("other") is None
            pipe.multi()
            pipe.set("n", 1)
            assert pipe.execute() == [True]
            assert pool.stats().created == 1

    def test_pubsub_takes_its_own_and_brings_it_back(self, pool, admin):
        """A subscription has a connection of its own, which ends with the lease."""
        with pool.lease() as client:
            pubsub = client.pubsub()
            pubsub.subscribe("news")
            assert pubsub.get_message(timeout=2)["type"] == "subscribe"
            client.publish("news", "hello")
            assert pubsub.get_message(timeout=2)["data"] == b"hello"
            assert pool.stats().in_use == 2

        assert pool.stats().in_use == 0
        wait_until(lambda: admin.pubsub_numsub("news") == [(b"news", 0)])

    def test_closed_pubsub_brings_its_connection_back_at_once(self, pool):
        """As redis-py's does."""
        with pool.lease() as client:
            with client.pubsub() as pubsub:
                pubsub.subscribe("news")
                assert pool.stats().in_use == 1
            assert pool.stats().in_use == 0

    def test_monitor_takes_its_own_and_brings_it_back(self, pool):
        """MONITOR has a connection of its own, too."""
        with pool.lease() as client:
            with client.monitor() as monitor:
                client.get("watched")
                assert any("watched" in heard["command"] for heard in monitor.listen())
            assert pool.stats().in_use == 1

        assert pool.stats().in_use == 0

    def test_response_callback_is_for_one_client(self, pool):
        """Callbacks are shared by leases, and copied by the one that changes them."""
        with pool.lease() as one, pool.lease() as two:
            one.set_response_callback("ping", lambda _reply: "mine")

            assert one.ping() == "mine"
            assert two.ping() is True


class TestAfterTheEnd:
    """A lease that is over stays over."""

    def test_ended_lease_is_refused(self, pool):
        """No silent reconnect behind the user's back."""
        with pool.lease() as client:
            client.ping()
            pipe = client.pipeline()
            pipe.ping()
        for use in (client.ping, pipe.execute, client.pubsub().ping):
            with pytest.raises(LeaseError, match="has ended"):
                use()

        assert pool.stats().created == 1

    def test_escaped_pipeline_does_not_meet_the_next_borrower(self, pool):
        """A pipeline that still refers to the connection makes it unfit for reuse."""
        with pool.lease() as client:
            pipe = client.pipeline()
            pipe.watch("k")
            pipe.unwatch()  # clean by the books, but still in the pipeline's hands
        pipe.get("k")
        with pool.lease() as other:
            other.ping()
            with pytest.raises(redis.RedisError):
                pipe.execute()
            assert other.echo("mine") == b"mine"

    def test_escaped_pubsub_is_refused(self, pool):
        """A subscription ends with its lease and does not come back by itself."""
        with pool.lease() as client:
            pubsub = client.pubsub()
            pubsub.subscribe("news")
        with pytest.raises(LeaseError):
            pubsub.get_message(timeout=0.1)

    def test_ending_twice_is_fine(self, pool):
        """end() is idempotent."""
        lease = pool.lease()
        lease.client().ping()
        lease.end()
        lease.end()

        assert pool.stats().released == 1

    def test_lease_error_is_no_connection_error(self):
        """A mistake in the program is not taken for an outage."""
        assert not issubclass(LeaseError, redis.ConnectionError)
        assert not issubclass(LeaseError, PoolExhaustedError)
