"""A task that is cancelled loses no connection, and leaves no reply to anybody."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
import redis
import redis.asyncio

from redis_pool_ext import AsyncRedisPool, LeaseError

from ..support.protocols import PROTOCOLS
from ..support.proxy import FaultyProxy
from .cancels import When, cancel_everywhere
from .tasks import start, wait_until

IS_LONG = bool(os.environ.get("REDIS_POOL_EXT_LONG"))
SEED = int(os.environ.get("REDIS_POOL_EXT_SEED", "1"))

WHEN = pytest.mark.parametrize("when", When, ids=lambda when: when.value)

Client = redis.asyncio.Redis


async def _one_command(client: Client) -> None:
    assert await client.echo("mine") == b"mine"


async def _some_commands(client: Client) -> None:
    for word in ("one", "two", "three"):
        assert await client.echo(word) == word.encode()


async def _pipeline(client: Client) -> None:
    assert await client.pipeline(transaction=False).echo("a").echo("b").execute() == [b"a", b"b"]


async def _transaction(client: Client) -> None:
    async with client.pipeline() as pipe:
        await pipe.watch("watched")
        await pipe.get("watched")
        pipe.multi()
        pipe.echo("in it")
        with suppress(redis.WatchError):
            assert await pipe.execute() == [b"in it"]


async def _blocking(client: Client) -> None:
    assert await client.blpop(["nothing"], 0.05) is None


async def _script(client: Client) -> None:
    assert await client.register_script("return ARGV[1]")(args=["mine"]) == b"mine"


async def _lock(client: Client) -> None:
    async with client.lock("a lock", timeout=5, blocking_timeout=0.01):
        await client.echo("mine")


async def _pubsub(client: Client) -> None:
    async with client.pubsub() as pubsub:
        await pubsub.subscribe("channel")
        await pubsub.get_message(timeout=0.05)


async def _early_return(client: Client) -> None:
    await client.echo("mine")
    await client.release()
    assert await client.echo("again") == b"again"


USES = [
    _one_command,
    _some_commands,
    _pipeline,
    _transaction,
    _blocking,
    _script,
    _lock,
    _pubsub,
    _early_return,
]
EACH_USE = pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__.strip("_"))


def pool_of(url: str, **settings: Any) -> AsyncRedisPool:
    return AsyncRedisPool.from_url(
        url, housekeeping_interval=None, client_name="cancelled", **settings
    )


async def assert_whole(pool: AsyncRedisPool) -> None:
    """Nothing is out, nobody waits, and each connection answers its own question."""
    stats = pool.stats()
    assert (stats.in_use, stats.connecting, stats.waiting) == (0, 0, 0)
    assert stats.idle <= stats.max_connections
    for number in range(stats.idle):
        async with pool.lease() as client:
            assert await client.echo(f"check {number}") == f"check {number}".encode()


@WHEN
@PROTOCOLS
@EACH_USE
async def test_cancelled_lease_loses_nothing(
    url: str, protocol: int, use: Callable[[Client], Coroutine[Any, Any, None]], when: When
):
    """At each place: while it queues, dials, shakes hands, sends, waits for a reply, ends."""
    places = 0
    async with pool_of(url, max_connections=2, protocol=protocol) as pool:

        async def scenario() -> None:
            async with pool.lease() as client:
                with suppress(redis.exceptions.LockError):  # a cancelled one keeps its lock
                    await use(client)

        async for _ in cancel_everywhere(scenario, when):
            places += 1
            await assert_whole(pool)
            await pool.disconnect()  # the next one dials, too
    assert places >= 3


@WHEN
async def test_cancelled_while_it_asks_an_idle_connection_loses_nothing(url: str, when: When):
    """The question is closed with its connection, and counted as a request that was cancelled."""
    async with pool_of(url, max_connections=1, validate_after=0.0) as pool:

        async def scenario() -> None:
            await pool.release(await pool.get_connection())

        await scenario()
        async for _ in cancel_everywhere(scenario, when):
            stats = pool.stats()
            assert (stats.in_use, stats.connecting, stats.waiting) == (0, 0, 0)
            assert stats.acquired == stats.released
            await scenario()
        assert pool.stats().cancelled >= 1


@WHEN
async def test_cancelled_while_it_queues_passes_its_turn_on(url: str, when: When):
    """What it was given at the last moment goes to the next one in line."""
    async with pool_of(url, max_connections=1) as pool:

        async def scenario() -> None:
            connection = await pool.get_connection()
            await pool.release(connection)

        async def meet() -> None:
            kept = await pool.get_connection()
            struck, patient = start(scenario()), start(scenario())
            await wait_until(lambda: pool.stats().waiting == 2)
            await pool.release(kept)
            if when is not When.BEFORE:
                struck.cancel()
            await asyncio.wait([struck])
            await asyncio.wait_for(patient, 5)

        async for _ in cancel_everywhere(scenario, when):
            await assert_whole(pool)
        await meet()
        await assert_whole(pool)


async def test_cancelled_after_a_wait_counts_that_wait(url: str):
    """Who gave up after a while has waited for that while, and not for nothing."""
    async with pool_of(url, max_connections=1) as pool:
        kept = await pool.get_connection()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.get_connection(), 0.05)
        await pool.release(kept)
        stats = pool.stats()

    assert (stats.waited, stats.cancelled) == (1, 1)
    assert 0.01 < stats.wait_seconds == stats.wait_seconds_max
    assert stats.waits.total == stats.acquired + stats.refused == 2


async def test_cancelled_as_it_is_served_has_acquired_nothing(url: str):
    """Its request ends as cancelled alone; the connection was neither taken nor held."""
    async with pool_of(url, max_connections=1) as pool:
        kept = await pool.get_connection()
        struck = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        await pool.release(kept)  # which gives it to the one that waits
        struck.cancel()
        await asyncio.wait([struck])
        stats = pool.stats()

    assert (stats.acquired, stats.released, stats.cancelled, stats.idle) == (1, 1, 1, 1)


@WHEN
async def test_lease_survives_a_cancelled_command(url: str, when: When):
    """The task catches it, and goes on with the lease: on a new connection, if need be."""
    async with pool_of(url, max_connections=1) as pool, pool.lease() as client:
        await client.ping()

        async def scenario() -> None:
            await client.echo("cancelled")

        async for place in cancel_everywhere(scenario, when):
            assert await client.echo(f"after {place}") == f"after {place}".encode()


async def test_cancelled_in_a_watch_raises_no_other_tasks_state(url: str):
    """Its pipeline lets go of the connection, and the next transaction is its own."""
    async with pool_of(url, max_connections=1) as pool, pool.lease() as client:

        async def scenario() -> None:
            await _transaction(client)

        for when in When:
            async for _ in cancel_everywhere(scenario, when):
                with suppress(LeaseError):  # of the state that was lost with the socket, once
                    await _transaction(client)
                await _transaction(client)


async def test_timeout_and_task_group_lose_nothing(url: str):
    """asyncio.timeout() and a failing sibling cancel like anybody."""
    async with pool_of(url, max_connections=2) as pool:
        for _ in range(20):
            with suppress(TimeoutError):
                async with asyncio.timeout(0.002), pool.lease() as client:
                    await client.blpop(["nothing"], 1)
            with suppress(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    group.create_task(_hold_on(pool))
                    group.create_task(_fail_soon(pool))
            await assert_whole(pool)


async def _hold_on(pool: AsyncRedisPool) -> None:
    async with pool.lease() as client:
        await client.blpop(["nothing"], 1)


async def _fail_soon(pool: AsyncRedisPool) -> None:
    async with pool.lease() as client:
        await client.ping()
    raise ValueError("a mistake")


class Storm:
    """Workers that are cancelled at random, again and again, and check each reply."""

    def __init__(self, pool: AsyncRedisPool, cancels: int) -> None:
        self.pool, self.left = pool, cancels
        self.replies = self.wrong = 0
        self._random = random.Random(SEED)
        self._numbers = iter(range(10**9))

    async def run(self, workers: int) -> None:
        await asyncio.gather(*(self._trouble() for _ in range(workers)))

    async def _trouble(self) -> None:
        while self.left > 0:
            task = start(self._work())
            for _ in range(self._random.choice((0, 1, 2, 3, 5, 8, 13))):
                await asyncio.sleep(0)
            if self._random.random() < 0.3:
                await asyncio.sleep(self._random.random() * 0.003)
            for _ in range(self._random.choice((0, 1, 1, 1, 2))):
                self.left -= task.cancel()
                if self._random.random() < 0.5:
                    await asyncio.sleep(0)
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    async def _work(self) -> None:
        with suppress(redis.exceptions.LockError, redis.WatchError, LeaseError):
            async with self.pool.lease() as client:
                for _ in range(self._random.randint(1, 4)):
                    await self._ask(client)

    async def _ask(self, client: Client) -> None:
        mine = [f"{next(self._numbers)}".encode() for _ in range(2)]
        kind = self._random.randrange(4)
        if kind == 0:
            answers = await client.pipeline(transaction=False).echo(mine[0]).echo(mine[1]).execute()
        elif kind == 1:
            answers = await client.pipeline().echo(mine[0]).echo(mine[1]).execute()
        elif kind == 2:
            answers = await asyncio.gather(client.echo(mine[0]), client.echo(mine[1]))
        else:
            answers = [await client.echo(mine[0]), await client.echo(mine[1])]
        self.replies += 1
        self.wrong += answers != mine


@PROTOCOLS
@pytest.mark.parametrize("link", ["near", "far"])
@pytest.mark.timeout(600)
async def test_storm_of_cancellations_mixes_up_no_reply(
    redis_server: Any, url: str, admin: redis.Redis, protocol: int, link: str
):
    """Thousands of random cancellations: no wrong reply, no lost slot, no socket left over."""
    cancels = (100_000 if IS_LONG else 10_000) // (1 if link == "near" else 5)
    with FaultyProxy(redis_server.port) as proxy:
        proxy.delay = 0.001 if link == "far" else 0.0
        address = url if link == "near" else f"redis://127.0.0.1:{proxy.port}/0"
        async with pool_of(address, max_connections=4, protocol=protocol) as pool:
            storm = Storm(pool, cancels)
            await storm.run(workers=12)

            assert storm.wrong == 0
            assert storm.replies > 0
            await assert_whole(pool)
            idle = pool.stats().idle
            await wait_until(lambda: _clients(admin) == idle)
        await wait_until(lambda: _clients(admin) == 0)


def _clients(admin: redis.Redis) -> int:
    return sum(one["name"] == "cancelled" for one in admin.client_list())
