"""A lease in another thread, and in another loop, than it began in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis
import redis.asyncio

from redis_pool_ext import (
    ConnectionPoolTimeoutError,
    LeaseError,
    LeaseStateLostError,
    configure,
    get_async_pool,
)

from ...support import threads
from ...support.threads import spawn
from ..pools import connections, pool_of
from ..tasks import start, wait_until
from .works import identify, ping, work_with


class TestOtherThreads:
    """end() may come from a thread without a loop: the lease's own does what is to be done."""

    async def test_all_that_a_lease_has_comes_back(self, url, admin, caplog):
        """Its connection, and those of its subscriptions."""
        async with pool_of(url) as pool:
            lease = pool.lease()
            client = lease.client()
            await client.ping()
            await client.pubsub().subscribe("news")
            spawn(lease.end).result()

            await wait_until(lambda: pool.stats().in_use == 0)
            await wait_until(lambda: admin.pubsub_numsub("news") == [(b"news", 0)])
            with pytest.raises(LeaseError, match="has ended"):
                await client.ping()
        assert caplog.messages == []

    async def test_command_on_its_way_is_cut_short(self, url):
        """Its task is told, and the connection is nobody's any more."""
        async with pool_of(url) as pool:
            lease = pool.lease()
            client = lease.client()
            await client.ping()
            blocked = start(client.blpop("nothing", 0))
            await wait_until(lambda: lease.held[0].pending == 1)
            spawn(lease.end).result()

            with pytest.raises(redis.RedisError):
                await blocked
            stats = pool.stats()
            assert (stats.in_use, stats.idle, stats.discarded) == (0, 0, {"forfeited": 1})

    async def test_task_that_queues_for_a_connection_gives_it_back(self, url, admin):
        """The lease has ended when it comes: its command is not sent any more."""
        async with pool_of(url, max_connections=1, timeout=5) as pool:
            kept = await pool.get_connection()
            lease = pool.lease()
            queueing = start(lease.client().execute_command("INCR", "n", NEVER_DECODE=True))
            await wait_until(lambda: pool.stats().waiting == 1)
            spawn(lease.end).result()
            await pool.release(kept)

            with pytest.raises(LeaseError, match="has ended"):
                await queueing
            assert (pool.stats().in_use, pool.stats().idle) == (0, 1)
        assert admin.get("n") is None

    def test_loop_that_pauses_does_it_when_it_runs_again(self, url):
        """Between two calls of `run_until_complete`."""
        with asyncio.Runner() as runner:
            pool = pool_of(url)
            lease = pool.lease()
            runner.run(ping(lease.client()))
            lease.end()
            runner.run(asyncio.sleep(0))

            assert (pool.stats().in_use, pool.stats().idle) == (0, 1)

    def test_lease_may_end_after_its_loop(self, url):
        """Nothing of it is left to be closed."""
        pool = pool_of(url)
        lease = pool.lease()
        asyncio.run(ping(lease.client()))
        lease.end()

        assert pool.stats().in_use == 0


class TestOtherLoops:
    """A lease belongs to the loop in which it is used, as long as there is that loop."""

    @pytest.mark.parametrize(
        "use",
        [
            lambda client: client.ping(),
            lambda client: client.execute_command("CLIENT ID"),
            lambda client: client.pipeline().ping().execute(),
            lambda client: client.pubsub().subscribe("news"),
            lambda client: client.release(),
        ],
        ids=["short way", "long way", "pipeline", "pubsub", "release"],
    )
    async def test_use_in_another_loop_is_refused(self, url, use):
        """The error says what to do; the lease's own loop goes on with it."""
        async with pool_of(url) as pool, pool.lease() as client:
            number = await client.client_id()
            with pytest.raises(LeaseError, match=r"call get_async_redis\(\) for a client"):
                spawn(asyncio.run, work_with(client, use)).result()

            assert await client.client_id() == number

    def test_lease_goes_on_in_a_new_loop_with_a_new_connection(self, url, admin):
        """After the first loop was closed, and its connection with it."""
        pool = pool_of(url)
        lease = pool.lease("GET /in/two/loops")
        first = asyncio.run(identify(lease.client()))
        threads.wait_until(lambda: connections(admin) == 0)
        second = asyncio.run(identify(lease.client()))

        assert first != second
        threads.wait_until(lambda: connections(admin) == 0)
        assert pool.stats().in_use == 0

    def test_lease_goes_on_with_the_new_loops_pool(self, url):
        """Where pools are found for the loop that is running."""
        configure({"default": url})

        async def begin() -> Any:
            lease = get_async_pool().lease()
            await lease.client().ping()
            return lease

        async def go_on(lease: Any) -> None:
            assert await lease.client().echo("mine") == b"mine"
            assert lease.pool is get_async_pool()
            assert get_async_pool().stats().in_use == 1
            lease.end()
            assert get_async_pool().stats().in_use == 0

        asyncio.run(go_on(asyncio.run(begin())))

    @pytest.mark.parametrize("state", [("SELECT", 3), ("WATCH", "k"), ("MULTI",)])
    def test_state_that_went_with_its_loop_is_told(self, url, state):
        """A lease never goes on silently in another state, in a new loop no more than elsewhere."""
        lease = pool_of(url).lease()
        asyncio.run(work_with(lease.client(), lambda client: client.execute_command(*state)))
        with pytest.raises(LeaseStateLostError, match=state[0]):
            asyncio.run(ping(lease.client()))

    def test_pipeline_does_not_go_on_in_a_new_loop(self, url, admin):
        """Its WATCH has gone with the connection."""
        lease = pool_of(url).lease()
        pipe = lease.client().pipeline()

        async def execute() -> None:
            pipe.multi()
            pipe.set("k", 1)
            await pipe.execute()

        asyncio.run(work_with(pipe, lambda pipe: pipe.watch("k")))
        with pytest.raises(redis.RedisError):
            asyncio.run(execute())
        assert admin.get("k") is None

    def test_turn_that_went_with_its_loop_keeps_nobody_waiting(self, url):
        """A pipeline of the first loop had it; when that lets go, nobody loses another one."""
        lease = pool_of(url, timeout=0.05).lease()
        client, stale = lease.client(), lease.client().pipeline()

        async def begin() -> None:
            await stale.watch("k")
            await stale.unwatch()

        async def go_on() -> None:
            assert await client.echo("mine") == b"mine"
            async with client.pipeline() as pipe:
                await pipe.watch("k")
                await stale.reset()
                with pytest.raises(ConnectionPoolTimeoutError):
                    await start(client.get("k"))
            assert await start(client.echo("mine")) == b"mine"

        asyncio.run(begin())
        asyncio.run(go_on())
