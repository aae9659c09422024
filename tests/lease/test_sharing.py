"""Threads that share one lease take turns."""

from __future__ import annotations

import threading

import pytest
import redis

from redis_pool_ext import ConnectionPoolTimeoutError, RedisPool

from ..support.proxy import FaultyProxy
from ..support.threads import spawn, wait_until


class TestSharing:
    """Threads that share one lease take turns."""

    def test_shared_lease_gives_each_sharer_its_own_reply(self, pool):
        """Eight threads on one leased client never mix up their replies."""
        wrong = []

        def talk(client, number):
            for i in range(300):
                text = f"{number}-{i}".encode()
                if client.echo(text) != text:
                    wrong.append(text)

        with pool.lease() as client:
            for thread in [spawn(talk, client, n) for n in range(8)]:
                thread.result()

        assert wrong == []
        assert pool.stats().created == 1

    def test_turn_is_waited_for_no_longer_than_the_timeout(self, pool):
        """A thread that keeps the lease busy does not block others for ever."""
        with pool.lease() as client, client.pipeline() as pipe:
            pipe.watch("k")
            other = spawn(client.get, "k")
            with pytest.raises(ConnectionPoolTimeoutError, match="another thread"):
                other.result()

    def test_lease_that_ends_during_a_command_gives_back_as_that_sharer_leaves(self, pool):
        """The exchange is cut short, its connection closed by who uses it, and not reused."""
        lease = pool.lease()
        client = lease.client()
        client.ping()
        blocked = spawn(client.blpop, "nothing", 0)
        wait_until(lambda: lease.is_talking and lease.held[0].pending == 1)
        lease.end()

        with pytest.raises(redis.RedisError):
            blocked.result()
        stats = pool.stats()
        assert (stats.in_use, stats.idle, stats.discarded) == (0, 0, {"forfeited": 1})
        assert stats.double_releases == 0

    def test_lease_that_ends_during_a_dial_does_not_count_against_the_server(self, redis_server):
        """A dial that we cut ourselves says nothing about the server."""
        with (
            FaultyProxy(redis_server.port) as proxy,
            RedisPool.from_url(proxy.url, timeout=5, max_connections=2) as pool,
        ):
            lease = pool.lease()
            client = lease.client()
            client.ping()
            proxy.delay = 0.2
            lease.held[0].disconnect()
            dialling = spawn(client.ping)
            wait_until(lambda: pool.stats().connecting == 1)
            lease.end()
            dialling.result()
            stats = pool.stats()

        assert (stats.create_failures, stats.in_use) == (0, 0)

    def test_lease_may_end_in_another_thread(self, pool):
        """A response is often closed elsewhere than where its view ran."""
        done = threading.Event()
        lease = pool.lease()
        lease.client().ping()
        spawn(lambda: (lease.end(), done.set())).result()

        assert done.is_set()
        assert pool.stats().in_use == 0
