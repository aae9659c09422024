"""What nobody refers to any more gives back what it had, and nobody is warned."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from redis_pool_ext import AsyncRedisPool, ConnectionPoolTimeoutError

from ...support import threads
from ...support.threads import spawn
from ..pools import connections, pool_of
from ..tasks import start, wait_until
from .works import ping


class TestDropped:
    """What nobody refers to any more gives back what it had, and nobody is warned."""

    @pytest.fixture(autouse=True)
    def _no_complaints(self, caplog):
        """See that finalizers, asyncio and the pool say nothing."""
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield
            gc.collect()
        assert [str(each.message) for each in warned] == []
        assert caplog.messages == []

    @pytest.mark.parametrize("state", [(), ("SELECT", 3), ("WATCH", "k")], ids=str)
    async def test_dropped_lease_gives_its_slot_back(self, url, state):
        """With its client, in whatever state the connection is."""
        async with pool_of(url, max_connections=1) as pool:
            client = pool.lease().client()
            await client.ping()
            if state:
                await client.execute_command(*state)
            del client
            gc.collect()

            await self._assert_free(pool)

    async def test_dropped_connection_gives_its_slot_back(self, url):
        """As libraries take it, and forget it."""
        async with pool_of(url, max_connections=1) as pool:
            connection = await pool.get_connection()
            await connection.send_command("ECHO", "never read")
            del connection
            gc.collect()

            await self._assert_free(pool)

    async def test_dropped_pipeline_gives_the_turn_back(self, url):
        """The lease goes on, for every task."""
        async with pool_of(url, timeout=0.05) as pool, pool.lease() as client:
            pipe = client.pipeline()
            await pipe.watch("k")
            await pipe.unwatch()
            with pytest.raises(ConnectionPoolTimeoutError):
                await start(client.echo("mine"))
            del pipe
            gc.collect()

            assert await start(client.echo("mine")) == b"mine"

    async def test_dropped_pipeline_of_a_borrower_per_command_frees_its_slot(self, url):
        """Where nothing is held between commands, the pipeline was all that held it."""
        async with pool_of(url, max_connections=1, hold="command") as pool:
            async with pool.lease() as client:
                pipe = client.pipeline()
                await pipe.watch("k")
                await pipe.unwatch()
                del pipe
                gc.collect()

                assert pool.stats().in_use == 0
            await self._assert_free(pool)

    async def test_dropped_subscription_gives_its_slot_back_with_the_lease(self, url):
        """Its own connection, next to that of the lease."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                pubsub = client.pubsub()
                await pubsub.subscribe("news")
                del pubsub
                gc.collect()
                assert await client.echo("mine") == b"mine"

            assert pool.stats().in_use == 0

    async def test_lease_that_another_thread_collects_gives_its_slot_back(self, url, admin):
        """Garbage is collected anywhere; the socket is closed in its loop."""
        async with pool_of(url, max_connections=1) as pool:
            with _no_collection():
                cycle = [pool.lease().client()]
                await cycle[0].ping()
                cycle.append(cycle)
                del cycle
                assert pool.stats().in_use == 1
                spawn(gc.collect).result()

            assert pool.stats().in_use == 0
            await wait_until(lambda: connections(admin) == 0)

    async def test_pipeline_that_another_thread_collects_gives_the_turn_back(self, url):
        """Whoever waits for that has it at once, though its loop is asleep."""
        async with pool_of(url, timeout=10) as pool, pool.lease() as client:
            with _no_collection():
                cycle = [client.pipeline()]
                await cycle[0].watch("k")
                await cycle[0].unwatch()
                cycle.append(cycle)
                del cycle
                waiting = start(client.echo("mine"))
                collecting = spawn(lambda: (time.sleep(0.1), gc.collect()))

                assert await asyncio.wait_for(waiting, 5) == b"mine"
                collecting.result()

    def test_lease_that_is_dropped_after_its_loop_gives_its_slot_back(self, url):
        """There is no loop to close its socket in."""
        pool = pool_of(url, max_connections=1)
        client = pool.lease().client()
        asyncio.run(ping(client))
        del client
        gc.collect()

        assert pool.stats().in_use == 0

    def test_lease_that_is_dropped_while_its_loop_pauses_gives_its_slot_back(self, url, admin):
        """The loop is there, and does not run."""
        with asyncio.Runner() as runner:
            pool = pool_of(url, max_connections=1)
            client = pool.lease().client()
            runner.run(ping(client))
            del client
            gc.collect()

            assert pool.stats().in_use == 0
            threads.wait_until(lambda: connections(admin) == 0)
            runner.run(self._assert_free(pool))

    async def _assert_free(self, pool: AsyncRedisPool) -> None:
        assert pool.stats().in_use == 0
        async with pool.lease() as client:
            assert await client.echo("mine") == b"mine"


@contextmanager
def _no_collection() -> Iterator[None]:
    """Leave cycles alone, until somebody asks for a collection."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
