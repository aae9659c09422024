"""A leased socket that breaks, and the look at one that was not used for a while.

The twin of tests/lease/test_broken_socket.py: the same promises under the same names.
"""

from __future__ import annotations

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_pool_ext import AsyncRedisPool, LeaseStateLostError
from redis_pool_ext.aio.liveness import looks_alive

from ...support.proxy import FaultyProxy
from ..pools import pool_of
from ..tasks import wait_until


class TestBrokenSocket:
    """The server or the network drops the connection while it is leased."""

    async def kill(self, admin: redis.Redis, client: redis.asyncio.Redis) -> None:
        admin.execute_command("CLIENT", "KILL", "ID", await client.client_id())

    async def test_stateless_lease_goes_on_after_one_error(self, url, admin, clock):
        """The command that met the dead socket fails; the next one has a new connection."""
        clock.stop()  # too short a while for a look before the command
        async with pool_of(url) as pool, pool.lease() as client:
            await self.kill(admin, client)
            with pytest.raises(redis.ConnectionError):
                await client.ping()
            assert await client.ping()
            assert pool.stats().in_use == 1

    @pytest.mark.parametrize("state", [("SELECT", 3), ("WATCH", "k"), ("MULTI",)])
    async def test_lost_state_is_told(self, url, admin, state):
        """A lease never goes on silently in another state."""
        async with pool_of(url) as pool, pool.lease() as client:
            number = await client.client_id()
            await client.execute_command(*state)
            admin.execute_command("CLIENT", "KILL", "ID", number)
            with pytest.raises(redis.ConnectionError):
                await client.set("k", 1)
            for _ in range(2):
                with pytest.raises(LeaseStateLostError, match=state[0]):
                    await client.set("k", 1)

        assert admin.get("k") is None

    async def test_transaction_that_lost_its_watch_is_tried_again(self, url, admin):
        """redis-py says WatchError, and its transaction() starts over on a new connection."""
        attempts = []

        async def work(pipe):
            if not attempts:
                admin.execute_command("CLIENT", "KILL", "ID", number)
            attempts.append(1)
            await pipe.get("n")
            pipe.multi()
            pipe.incr("n")

        async with pool_of(url) as pool, pool.lease() as client:
            number = await client.client_id()
            assert await client.transaction(work, "n") == [1]
        assert len(attempts) == 2


class TestLook:
    """A look at a leased socket that was not used for a while, before the next command."""

    @pytest.fixture
    def looks(self, monkeypatch):
        """Note the connections that are looked at."""
        seen: list[object] = []
        monkeypatch.setattr(
            "redis_pool_ext.aio.lease.looks_alive",
            lambda connection: (seen.append(connection), looks_alive(connection))[1],
        )
        return seen

    @pytest.fixture
    def proxy(self, redis_server, admin):
        """The shared server behind a proxy that can cut."""
        with FaultyProxy(redis_server.port) as proxy:
            yield proxy

    def pool(self, proxy: FaultyProxy) -> AsyncRedisPool:
        """Return a pool through the proxy, that never tries a command again."""
        return pool_of(proxy.url, retry=Retry(NoBackoff(), 0), timeout=5)

    async def cut(self, proxy: FaultyProxy, client: redis.asyncio.Redis) -> None:
        """Close the leased connection from outside, and see it arrive."""
        proxy.cut()
        connection = client.connection_pool.held[0]
        await wait_until(lambda: not looks_alive(connection))

    async def test_dead_socket_is_renewed_before_anything_is_sent(self, proxy, clock):
        """Also where nothing is tried twice: the command meets a new connection."""
        async with self.pool(proxy) as pool:
            async with pool.lease() as client:
                await client.incr("hits")
                await self.cut(proxy, client)
                clock.advance(1)
                assert await client.incr("hits") == 2
            stats = pool.stats()

        assert (stats.created, stats.acquired, stats.idle) == (2, 1, 1)

    @pytest.mark.parametrize(
        "state", [("SELECT", 1), ("WATCH", "k"), ("MULTI",)], ids=lambda s: s[0]
    )
    async def test_dead_socket_with_state_is_not_renewed(self, proxy, clock, state):
        """First the error of the network, then the one that says what is lost."""
        async with self.pool(proxy) as pool:
            async with pool.lease() as client:
                await client.execute_command(*state)
                await self.cut(proxy, client)
                clock.advance(1)
                with pytest.raises(redis.RedisError):
                    await client.get("k")
                with pytest.raises(LeaseStateLostError, match=state[0]):
                    await client.get("k")

            assert pool.stats().created == 1

    async def test_socket_in_use_a_moment_ago_is_not_looked_at(self, proxy, clock, looks):
        """A view with fifty commands pays for none of it."""
        async with self.pool(proxy) as pool, pool.lease() as client:
            clock.stop()
            for _ in range(50):
                await client.ping()

        assert looks == []

    async def test_look_costs_the_server_nothing(self, proxy, admin, clock, looks):
        """No round trip; what is alive stays."""
        async with self.pool(proxy) as pool:
            async with pool.lease() as client:
                await client.ping()
                admin.config_resetstat()
                clock.advance(1)
                await client.get("k")

            assert len(looks) == 1
            assert admin.info("commandstats")["cmdstat_get"]["calls"] == 1
            assert "cmdstat_ping" not in admin.info("commandstats")
            assert pool.stats().created == 1

    async def test_pipeline_is_looked_after_as_well(self, proxy, clock):
        """One exchange, one look."""
        async with self.pool(proxy) as pool, pool.lease() as client:
            await client.ping()
            await self.cut(proxy, client)
            clock.advance(1)

            assert await client.pipeline().incr("hits").get("hits").execute() == [1, b"1"]
