"""How long a reply may take."""

from __future__ import annotations

import asyncio
import time

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from ...support.protocols import PROTOCOLS
from ...support.proxy import FaultyProxy
from ..pools import pool_of
from ..tasks import start, wait_until
from .works import NEVER_AGAIN


class TestTime:
    """How long a reply may take."""

    @PROTOCOLS
    async def test_blocking_command_may_take_longer_than_socket_timeout(self, url, protocol):
        """By as much as it asks for, on its own and in a pipeline."""
        async with (
            pool_of(url, protocol=protocol, socket_timeout=0.3) as pool,  # Redis is late by 0.1 s
            pool.lease() as client,
        ):
            number = await client.client_id()
            began = time.monotonic()
            assert await client.blpop("nothing", 0.4) is None
            pipe = client.pipeline(transaction=False)
            assert await pipe.blpop("nothing", 0.4).echo("mine").execute() == [None, b"mine"]
            assert time.monotonic() - began > 0.75
            assert await client.client_id() == number

    async def test_command_that_blocks_for_ever_is_waited_for(self, url, admin):
        """Nobody takes its patience for a dead server."""
        async with pool_of(url, socket_timeout=0.05) as pool, pool.lease() as client:
            blocked = start(client.blpop("list", 0))
            await asyncio.sleep(0.2)
            admin.rpush("list", "item")

            assert await blocked == (b"list", b"item")

    @pytest.mark.parametrize(
        "ask",
        [
            lambda client: client.echo("late"),
            lambda client: client.execute_command("CONFIG GET", "maxclients"),
            lambda client: client.pipeline().echo("late").execute(),
            lambda client: client.pipeline(transaction=False).echo("late").execute(),
        ],
        ids=["short way", "long way", "transaction", "pipeline"],
    )
    @PROTOCOLS
    async def test_late_reply_is_a_timeout_and_answers_nobody(
        self, redis_server, url, protocol, ask
    ):
        """The next command on the lease works, and gets its own reply."""
        with FaultyProxy(redis_server.port) as proxy:
            settings = {"protocol": protocol, "socket_timeout": 0.1, "retry": NEVER_AGAIN}
            async with pool_of(proxy.url, timeout=5, **settings) as pool, pool.lease() as client:
                await client.ping()
                proxy.delay = 0.3
                with pytest.raises(redis.TimeoutError):
                    await ask(client)
                proxy.delay = 0.0
                for number in range(3):
                    assert await client.echo(f"{number}") == f"{number}".encode()

    async def test_late_reply_is_tried_again_where_that_is_configured(self, redis_server, url):
        """With redis-py's own policy, on a new connection."""
        with FaultyProxy(redis_server.port) as proxy:
            settings = {"socket_timeout": 0.1, "retry": Retry(NoBackoff(), 1)}
            async with pool_of(proxy.url, timeout=5, **settings) as pool, pool.lease() as client:
                await client.ping()
                proxy.swallow()
                asked = start(client.echo("mine"))
                await wait_until(lambda: pool.stats().connecting == 1)
                proxy.resume()

                assert await asked == b"mine"
                assert pool.stats().in_use == 1
