"""A client of tasks that degrades: reads get the default, writes raise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis.asyncio

from redis_pool_ext import AsyncRedisPool, PoolUnavailableError
from redis_pool_ext.aio.client import LeasedAsyncRedis
from redis_pool_ext.leasing.fallback import Fallback
from redis_pool_ext.scope import Scope
from redis_pool_ext.testing import exhausted_pool, redis_down
from redis_pool_ext.web.degrading import DegradingScope

from ..support.proxy import FaultyProxy
from ..support.server import Server

DEFAULT = "none"


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own, to be stopped."""
    with Server() as server:
        yield server


@asynccontextmanager
async def client_of(url: str, **settings: Any) -> AsyncIterator[Any]:
    """Lend the client of a request that can do without."""
    terms = {"timeout": 5, "socket_timeout": 5, "decode_responses": True, **settings}
    async with AsyncRedisPool.from_url(url, **terms) as pool:
        scope = Scope("GET / (view)", waits_once=True)
        try:
            yield DegradingScope(scope, Fallback(DEFAULT)).client(pool)
        finally:
            scope.end()


async def test_healthy_client_is_a_redis_client_that_answers(url):
    """On the request's lease, the short way, and nothing is degraded."""
    async with client_of(url) as client:
        assert isinstance(client, redis.asyncio.Redis)
        assert isinstance(client, LeasedAsyncRedis)
        await client.set("k", 1)
        assert await client.get("k") == "1"
        assert await client.pipeline().get("k").incr("k").execute() == ["1", 2]
        assert client.is_degraded is False


async def test_read_without_a_server_gets_the_default(url):
    """Commands, pipelines of nothing but reads, and iterations."""
    async with client_of(url) as client:
        await client.ping()
        with redis_down():
            assert await client.get("k") == DEFAULT
            assert await client.pipeline().get("k").hscan("h").execute() == [DEFAULT, (0, {})]
            assert [key async for key in client.scan_iter()] == []
        assert client.is_degraded


async def test_whatever_else_raises_as_ever(url):
    """Writes, locks, transactions that watch, subscriptions."""
    async with redis_down(), client_of(url) as client:
        for write in (
            lambda: client.incr("k"),
            lambda: client.lock("k", blocking=False).acquire(),
            lambda: client.pipeline().get("k").incr("k").execute(),
            lambda: client.pipeline().watch("k"),
            lambda: client.pubsub().subscribe("news"),
        ):
            with pytest.raises(PoolUnavailableError):
                await write()
        assert client.is_degraded is False


async def test_read_of_a_full_pool_gets_the_default(url):
    """And is answered as soon as there is a connection again."""
    async with client_of(url, max_connections=1) as client:
        with exhausted_pool():
            assert await client.get("k") == DEFAULT
        assert await client.get("k") is None


async def test_silent_server_is_waited_for_once(server):
    """Twenty reads do not cost twenty times a socket's timeout."""
    with FaultyProxy(server.port) as proxy:
        async with client_of(proxy.url, socket_timeout=0.2) as client:
            await client.ping()
            proxy.swallow()
            assert await client.get("k") == DEFAULT
            with pytest.raises(redis.RedisError):
                await client.set("k", 1)  # which is tried, and told
            tried: list[str] = []
            client.connection_pool.get_connection = lambda *_: tried.append("tried")
            assert [await client.get("k") for _ in range(20)] == [DEFAULT] * 20
            assert await client.pipeline().get("k").execute() == [DEFAULT]
            assert tried == []


async def test_tool_that_wraps_execute_command_sees_each_command(url, monkeypatch):
    """Also one that gets the default."""
    seen = []
    own: Any = redis.asyncio.Redis.execute_command

    async def traced(self: Any, *args: Any, **options: Any) -> Any:
        seen.append(args[0])
        return await own(self, *args, **options)

    monkeypatch.setattr(redis.asyncio.Redis, "execute_command", traced)
    async with client_of(url) as client:
        await client.get("k")
        with redis_down():
            assert await client.get("k") == DEFAULT
    assert seen == ["GET", "GET"]
