"""What must always hold, under real faults: the numbered promises, for the pool of a loop."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import redis
import redis.asyncio

from redis_pool_ext import (
    AsyncRedisPool,
    ConnectionPoolTimeoutError,
    PoolUnavailableError,
    RedisPoolError,
)

from ..support.proxy import FaultyProxy
from ..support.server import Server
from .tasks import start, wait_until

# Seconds that a busy machine may come late.
LATE = 0.5


async def timed(work: Any) -> tuple[float, BaseException | None]:
    """Return how long it took, and what it raised."""
    began, error = time.monotonic(), None
    try:
        await work
    except (redis.RedisError, OSError) as raised:
        error = raised
    return time.monotonic() - began, error


@pytest.mark.parametrize("timeout", [0.0, 0.2])
async def test_no_wait_is_longer_than_the_timeout(redis_server: Any, timeout: float):
    """A server that accepts and never answers: queue, dial and handshake have one deadline."""
    with FaultyProxy(redis_server.port) as proxy:
        proxy.swallow()
        url = f"redis://127.0.0.1:{proxy.port}/0?max_connections=2&timeout={timeout}"
        async with AsyncRedisPool.from_url(url) as pool:
            ends = await asyncio.gather(*(timed(pool.get_connection()) for _ in range(8)))

            assert max(seconds for seconds, _ in ends) < timeout + LATE
            assert all(isinstance(error, RedisPoolError) for _, error in ends)
            stats = pool.stats()
            assert (stats.in_use, stats.connecting, stats.waiting) == (0, 0, 0)


async def test_idle_connection_that_is_deaf_costs_no_more_than_the_timeout(redis_server: Any):
    """It is asked, does not answer, and is renewed: all before one deadline."""
    with FaultyProxy(redis_server.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0?timeout=0.4"
        async with AsyncRedisPool.from_url(url, validate_after=0.0) as pool:
            await pool.release(await pool.get_connection())
            proxy.swallow()
            seconds, error = await timed(pool.get_connection())

            assert seconds < 0.4 + LATE
            assert isinstance(error, RedisPoolError)
            proxy.resume()
            assert await pool.client.ping()


async def test_unreachable_server_is_told_at_once_after_a_few_dials(nobody_there: str):
    """Down is not exhausted: the circuit opens, and the dial's error is the cause."""
    async with AsyncRedisPool.from_url(nobody_there, timeout=5) as pool:
        errors = [(await timed(pool.get_connection()))[1] for _ in range(5)]

        assert all(isinstance(error, PoolUnavailableError) for error in errors)
        assert pool.stats().circuit in ("open", "probing")
        assert pool.stats().create_failures >= 3
        assert "s3cret" not in "".join(map(str, errors))


async def test_restart_costs_idle_connections_nothing():
    """Those that idled are met by a look, or by a question: no caller sees an error."""
    with Server() as server:
        async with AsyncRedisPool.from_url(server.url, max_connections=4) as pool:
            kept = [await pool.get_connection() for _ in range(4)]
            for connection in kept:
                await pool.release(connection)
            server.restart()

            async with pool.lease() as client:
                assert await client.ping()
            replies = await asyncio.gather(*(pool.client.echo(str(n)) for n in range(8)))
            assert replies == [str(n).encode() for n in range(8)]


async def test_restart_costs_a_command_under_way_one_error():
    """The lease goes on afterwards, if it holds no state."""
    with Server() as server:
        async with AsyncRedisPool.from_url(server.url) as pool, pool.lease() as client:
            await client.ping()
            waiting = start(client.blpop(["nothing"], 0))
            with server.admin() as admin:
                await wait_until(lambda: any(one["cmd"] == "blpop" for one in admin.client_list()))
            server.restart()
            with pytest.raises(redis.ConnectionError):
                await waiting

            assert await client.ping()


async def test_server_never_sees_more_than_max_connections(url: str, admin: redis.Redis):
    """Not even while dirty connections are closed and others dialled in their place."""
    most = 0

    async def watch(over: asyncio.Event) -> None:
        nonlocal most
        while not over.is_set():
            seen = sum(one["name"] == "bounded" for one in admin.client_list())
            most = max(most, seen)
            await asyncio.sleep(0)

    async def borrow(pool: AsyncRedisPool, number: int) -> None:
        async with pool.lease() as client:
            await client.ping()
            if number % 3 == 0:
                await client.select(1)

    async with AsyncRedisPool.from_url(url, max_connections=3, client_name="bounded") as pool:
        over = asyncio.Event()
        watching = start(watch(over))
        await asyncio.gather(*(borrow(pool, number) for number in range(60)))
        over.set()
        await watching
    assert 1 <= most <= 3


async def test_tasks_are_served_alike(url: str):
    """32 tasks on 8 connections in a tight loop: everybody gets as many turns, within one."""
    served = [0] * 32

    async def borrow(pool: AsyncRedisPool, number: int) -> None:
        while max(served) < 40:
            async with pool.lease() as client:
                await client.ping()
                served[number] += 1

    async with AsyncRedisPool.from_url(url, max_connections=8, timeout=20) as pool:
        await asyncio.gather(*(borrow(pool, number) for number in range(32)))
    assert min(served) >= 0.9 * max(served)


async def test_timeout_tells_the_numbers(url: str):
    """And who waits in vain is counted, with its wait."""
    async with AsyncRedisPool.from_url(url, max_connections=1, timeout=0.02) as pool:
        async with pool.lease() as client:
            await client.ping()
            with pytest.raises(
                ConnectionPoolTimeoutError, match=r"in_use=1 idle=0 waiting=0 max=1"
            ):
                await pool.client.ping()
        stats = pool.stats()
    assert (stats.timed_out, stats.waited) == (1, 1)
    assert stats.wait_seconds >= 0.015


async def test_any_redis_py_client_takes_the_pool(url: str):
    """`redis.asyncio.Redis(connection_pool=...)`: commands, pipelines, locks, scripts, pubsub."""
    async with AsyncRedisPool.from_url(url, max_connections=2) as pool:
        client = redis.asyncio.Redis(connection_pool=pool)  # type: ignore[arg-type]
        assert await client.set("key", "value")
        assert await client.pipeline().get("key").incr("n").execute() == [b"value", 1]
        async with client.lock("a lock", timeout=5):
            assert await client.register_script("return 7")() == 7
        async with client.pubsub() as pubsub:
            await pubsub.subscribe("channel")
            await client.publish("channel", "hello")
            messages = [await pubsub.get_message(timeout=5) for _ in range(2)]
            assert messages[1] is not None
            assert messages[1]["data"] == b"hello"
        assert pool.stats().in_use == 0


async def test_resize_from_another_thread_wakes_the_tasks(url: str):
    """Operators need not be in the loop."""
    async with AsyncRedisPool.from_url(url, max_connections=1, timeout=20) as pool:
        kept = await pool.get_connection()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        await asyncio.to_thread(pool.resize, 2)

        other = await asyncio.wait_for(waiter, 10)
        for connection in (kept, other):
            await pool.release(connection)


async def test_drain_from_another_thread_closes_idle_ones(url: str, admin: redis.Redis):
    """Their sockets close in their own loop."""
    async with AsyncRedisPool.from_url(url, client_name="drained") as pool:
        await pool.release(await pool.get_connection())
        await asyncio.to_thread(pool.drain)

        await wait_until(lambda: not any(one["name"] == "drained" for one in admin.client_list()))
        assert pool.stats().idle == 0
