"""The server is killed between two commands."""

from __future__ import annotations

import pytest
import redis
import redis.asyncio

from redis_pool_ext import LeaseStateLostError, PoolUnavailableError

from ...support.leases import age
from ...support.server import Server
from ..pools import pool_of
from .works import NEVER_AGAIN


class TestKilledServer:
    """The server is killed between two commands."""

    @pytest.fixture
    def server(self):
        """A server to be killed."""
        with Server() as server:
            yield server

    async def test_stateless_lease_is_dialled_anew(self, server):
        """The next command works, and nothing is tried twice for that."""
        async with pool_of(server.url, timeout=5, retry=NEVER_AGAIN) as pool:
            async with pool.lease() as client:
                await client.ping()
                server.restart()
                age(client)
                assert await client.echo("mine") == b"mine"

            assert (pool.stats().created, pool.stats().in_use) == (2, 0)

    @pytest.mark.parametrize("state", [("WATCH", "k"), ("MULTI",), ("SELECT", 3)])
    async def test_lease_with_state_is_told(self, server, state):
        """First of the network's error, then of what is lost; a new lease works."""
        async with pool_of(server.url, timeout=5) as pool:
            async with pool.lease() as client:
                await client.execute_command(*state)
                server.restart()
                age(client)
                with pytest.raises(redis.ConnectionError):
                    await client.set("k", 1)
                with pytest.raises(LeaseStateLostError, match=state[0]):
                    await client.set("k", 1)
            async with pool.lease() as client:
                assert await client.exists("k") == 0

    async def test_transaction_in_a_watch_is_told(self, server):
        """Nothing of it has run; the lease goes on."""
        async with pool_of(server.url, timeout=5) as pool, pool.lease() as client:
            async with client.pipeline() as pipe:
                await pipe.watch("k")
                pipe.multi()
                pipe.set("k", 1)
                server.restart()
                with pytest.raises(redis.WatchError):
                    await pipe.execute()
            assert await client.exists("k") == 0

    async def test_lease_goes_on_when_the_server_is_back(self, server):
        """While it is down, that is what its commands say."""
        async with (
            pool_of(server.url, timeout=5, retry=NEVER_AGAIN) as pool,
            pool.lease() as client,
        ):
            await client.ping()
            server.stop()
            age(client)
            with pytest.raises(PoolUnavailableError):
                await client.ping()
            server.start()
            assert await client.echo("mine") == b"mine"
