"""A lease and its client, on a real server: one connection, taken once, until the end.

The twin of tests/lease/test_holding.py: the same promises under the same names.
"""

from __future__ import annotations

import time

import pytest
import redis
import redis.asyncio

from redis_pool_ext import ConnectionPoolTimeoutError, LeaseError, PoolExhaustedError

from ..pools import connections, pool_of
from ..tasks import start, wait_until


class TestHolding:
    """Taking a connection, once, and giving it back."""

    async def test_unused_lease_takes_no_connection(self, url):
        """A borrower that never talks to Redis takes no slot."""
        async with pool_of(url) as pool:
            async with pool.lease():
                assert pool.stats().in_use == 0

            assert pool.stats().created == 0

    async def test_first_command_takes_one_connection(self, url):
        """It is held to the end of the block, and given back."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await client.set("k", "v")
                await client.get("k")
                assert pool.stats().in_use == 1
            stats = pool.stats()

        assert (stats.in_use, stats.idle, stats.acquired) == (0, 1, 1)

    async def test_client_is_a_redis_client(self, url):
        """Type checks, and libraries that make them, are content."""
        async with pool_of(url) as pool, pool.lease() as client:
            assert isinstance(client, redis.asyncio.Redis)
            assert await client.set("k", 1)
            assert await client.hset("h", mapping={"a": 1}) == 1
            assert await client.hgetall("h") == {b"a": b"1"}

    async def test_one_connection_serves_twenty_borrowers_in_turn(self, url, admin):
        """20 tasks one after the other open one connection on the server."""
        async with pool_of(url) as pool:

            async def borrow() -> None:
                async with pool.lease() as client:
                    await client.incr("hits")

            for _ in range(20):
                await start(borrow())

            assert connections(admin) == 1
        assert admin.get("hits") == b"20"

    async def test_early_release_gives_the_connection_back(self, url):
        """The next command takes one again."""
        async with pool_of(url) as pool, pool.lease() as client:
            await client.ping()
            await client.release()
            assert pool.stats().in_use == 0
            await client.ping()
            assert pool.stats().in_use == 1

    async def test_hold_command_borrows_per_command(self, url):
        """With hold="command" nothing is held between two commands."""
        async with pool_of(url, hold="command") as pool, pool.lease() as client:
            await client.ping()
            assert pool.stats().in_use == 0
            async with client.pipeline() as pipe:
                await pipe.watch("k")
                assert pool.stats().in_use == 1
            assert pool.stats().in_use == 0

    async def test_exhausted_pool_raises_at_the_first_command(self, url):
        """The wait is the pool's, and so is the error."""
        async with (
            pool_of(url) as pool,
            pool.lease() as one,
            pool.lease() as two,
            pool.lease() as three,
        ):
            await one.ping()
            await two.ping()
            with pytest.raises(ConnectionPoolTimeoutError):
                await three.ping()

    async def test_request_waits_once(self, url):
        """What a refusal has left of the timeout is all that the lease has: it asks, no more."""
        async with pool_of(url, max_connections=1) as pool:
            kept = await pool.get_connection()
            pool.timeout = 0.4
            async with pool.lease(waits_once=True) as client:
                began = time.monotonic()
                for _ in range(5):
                    with pytest.raises(ConnectionPoolTimeoutError):
                        await client.ping()
                assert time.monotonic() - began < 0.8  # not five times 0.4
                await pool.release(kept)
                assert await client.ping()

    async def test_task_may_wait_again(self, url):
        """A lease of a task that tries again later has its whole timeout each time."""
        async with pool_of(url, max_connections=1) as pool:
            kept = await pool.get_connection()
            pool.timeout = 0.05
            async with pool.lease() as client:
                for _ in range(2):
                    with pytest.raises(ConnectionPoolTimeoutError):
                        await client.ping()
            assert pool.stats().wait_seconds > 0.075
            await pool.release(kept)

    async def test_raising_block_gives_the_connection_back(self, url):
        """An error of the borrower costs no slot."""
        async with pool_of(url) as pool:
            with pytest.raises(ZeroDivisionError):
                async with pool.lease() as client:
                    await client.ping()
                    raise ZeroDivisionError

            assert pool.stats().in_use == 0

    async def test_forgotten_lease_loses_no_slot(self, url):
        """A lease that is never ended gives back when it is dropped."""
        async with pool_of(url) as pool:
            client = pool.lease().client()
            await client.ping()
            del client

            assert pool.stats().in_use == 0


class TestStaying:
    """What a client makes stays on the leased connection."""

    async def test_pipelines_transactions_locks_and_scripts_take_no_second(self, url):
        """All of them work in a pool of one."""
        async with pool_of(url, max_connections=1, timeout=5) as pool:
            async with pool.lease() as client:
                await client.set("n", 1)
                async with client.pipeline() as pipe:
                    assert await pipe.incr("n").incr("n").execute() == [2, 3]
                async with client.pipeline(transaction=False) as pipe:
                    assert await pipe.get("n").get("n").execute() == [b"3", b"3"]
                assert await client.transaction(lambda p: (p.multi(), p.incr("n")), "n") == [4]
                async with client.lock("lock", timeout=5):
                    assert await client.register_script("return ARGV[1]")(args=["x"]) == b"x"
                assert [key async for key in client.scan_iter("n")] == [b"n"]
                assert await client.client().get("n") == b"4"

            assert pool.stats().created == 1

    async def test_command_inside_a_watch_shares_the_connection(self, url):
        """One borrower, one connection, also between WATCH and EXEC."""
        async with pool_of(url) as pool, pool.lease() as client, client.pipeline() as pipe:
            await pipe.watch("n")
            assert await client.get("other") is None
            pipe.multi()
            pipe.set("n", 1)
            assert await pipe.execute() == [True]
            assert pool.stats().created == 1

    async def test_pubsub_takes_its_own_and_brings_it_back(self, url, admin):
        """A subscription has a connection of its own, which ends with the lease."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                pubsub = client.pubsub()
                await pubsub.subscribe("news")
                assert (await pubsub.get_message(timeout=2))["type"] == "subscribe"
                await client.publish("news", "hello")
                assert (await pubsub.get_message(timeout=2))["data"] == b"hello"
                assert pool.stats().in_use == 2

            assert pool.stats().in_use == 0
            await wait_until(lambda: admin.pubsub_numsub("news") == [(b"news", 0)])

    async def test_closed_pubsub_brings_its_connection_back_at_once(self, url):
        """As redis-py's does."""
        async with pool_of(url) as pool, pool.lease() as client:
            async with client.pubsub() as pubsub:
                await pubsub.subscribe("news")
                assert pool.stats().in_use == 1
            assert pool.stats().in_use == 0

    async def test_monitor_takes_its_own_and_brings_it_back(self, url):
        """MONITOR has a connection of its own, too."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                async with client.monitor() as monitor:
                    await client.get("watched")
                    while "watched" not in (await monitor.next_command())["command"]:
                        pass
                assert pool.stats().in_use == 1

            assert pool.stats().in_use == 0

    async def test_response_callback_is_for_one_client(self, url):
        """Callbacks are shared by leases, and copied by the one that changes them."""
        async with pool_of(url) as pool, pool.lease() as one, pool.lease() as two:
            one.set_response_callback("ping", lambda _reply: "mine")

            assert await one.ping() == "mine"
            assert await two.ping() is True


class TestAfterTheEnd:
    """A lease that is over stays over."""

    async def test_ended_lease_is_refused(self, url):
        """No silent reconnect behind the user's back."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await client.ping()
                pipe = client.pipeline()
                pipe.ping()
            for use in (client.ping, pipe.execute, client.pubsub().ping):
                with pytest.raises(LeaseError, match="has ended"):
                    await use()

            assert pool.stats().created == 1

    async def test_escaped_pipeline_does_not_meet_the_next_borrower(self, url):
        """A pipeline that still refers to the connection makes it unfit for reuse."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                pipe = client.pipeline()
                await pipe.watch("k")
                await pipe.unwatch()  # clean by the books, but still in the pipeline's hands
            pipe.get("k")
            async with pool.lease() as other:
                await other.ping()
                with pytest.raises(redis.RedisError):
                    await pipe.execute()
                assert await other.echo("mine") == b"mine"

    async def test_escaped_pubsub_is_refused(self, url):
        """A subscription ends with its lease and does not come back by itself."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                pubsub = client.pubsub()
                await pubsub.subscribe("news")
            with pytest.raises(LeaseError):
                await pubsub.get_message(timeout=0.1)

    async def test_ending_twice_is_fine(self, url):
        """end() is idempotent."""
        async with pool_of(url) as pool:
            lease = pool.lease()
            await lease.client().ping()
            lease.end()
            lease.end()

            assert pool.stats().released == 1

    async def test_lease_error_is_no_connection_error(self):
        """A mistake in the program is not taken for an outage."""
        assert not issubclass(LeaseError, redis.ConnectionError)
        assert not issubclass(LeaseError, PoolExhaustedError)
