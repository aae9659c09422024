"""Tasks that share one lease take turns.

The twin of tests/lease/test_sharing.py: the same promises under the same names.
"""

from __future__ import annotations

import asyncio
import threading

import pytest
import redis
import redis.asyncio

from redis_pool_ext import ConnectionPoolTimeoutError

from ...support.proxy import FaultyProxy
from ...support.threads import spawn
from ..pools import pool_of
from ..tasks import start, wait_until


class TestSharing:
    """Tasks that share one lease take turns."""

    async def test_shared_lease_gives_each_sharer_its_own_reply(self, url):
        """Eight tasks on one leased client never mix up their replies."""
        wrong = []

        async def talk(client, number):
            for i in range(300):
                text = f"{number}-{i}".encode()
                if await client.echo(text) != text:
                    wrong.append(text)

        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await asyncio.gather(*(talk(client, n) for n in range(8)))

            assert wrong == []
            assert pool.stats().created == 1

    async def test_turn_is_waited_for_no_longer_than_the_timeout(self, url):
        """A task that keeps the lease busy does not block others for ever."""
        async with pool_of(url) as pool, pool.lease() as client, client.pipeline() as pipe:
            await pipe.watch("k")
            other = start(client.get("k"))
            with pytest.raises(ConnectionPoolTimeoutError, match="another task"):
                await other

    async def test_lease_that_ends_during_a_command_gives_back_as_that_sharer_leaves(self, url):
        """The exchange is cut short, its connection closed at once, and not reused."""
        async with pool_of(url) as pool:
            lease = pool.lease()
            client = lease.client()
            await client.ping()
            blocked = start(client.blpop("nothing", 0))
            await wait_until(lambda: lease.held[0].pending == 1)
            lease.end()

            with pytest.raises(redis.RedisError):
                await blocked
            stats = pool.stats()
        assert (stats.in_use, stats.idle, stats.discarded) == (0, 0, {"forfeited": 1})
        assert stats.double_releases == 0

    async def test_lease_that_ends_during_a_dial_does_not_count_against_the_server(
        self, redis_server
    ):
        """A dial that we cut ourselves says nothing about the server."""
        with FaultyProxy(redis_server.port) as proxy:
            async with pool_of(proxy.url, timeout=5) as pool:
                lease = pool.lease()
                client = lease.client()
                await client.ping()
                proxy.delay = 0.2
                lease.held[0].cut()
                dialling = start(client.ping())
                await wait_until(lambda: pool.stats().connecting == 1)
                lease.end()
                await dialling
                stats = pool.stats()

        assert (stats.create_failures, stats.in_use) == (0, 0)

    async def test_lease_may_end_in_another_thread(self, url):
        """A response is often closed elsewhere than where its view ran."""
        async with pool_of(url) as pool:
            done = threading.Event()
            lease = pool.lease()
            await lease.client().ping()
            spawn(lambda: (lease.end(), done.set())).result()

            assert done.is_set()
            await wait_until(lambda: pool.stats().in_use == 0)
