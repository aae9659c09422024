"""The lease of tasks lends its budget to its connections, too; the next borrower finds nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis

from redis_pool_ext import AsyncRedisPool, BudgetExceededError
from redis_pool_ext.aio.connection import GuardedAsyncConnection
from redis_pool_ext.budget import Budget
from redis_pool_ext.scope import Scope

LONG = 60.0  # seconds that nothing here takes

Story = Callable[[AsyncRedisPool], Awaitable[None]]


@pytest.fixture
def play(url: str) -> Callable[[Story], None]:
    """Plays a story with a pool of one connection; the next borrower finds nothing of it."""

    async def on_a_pool(story: Story) -> None:
        async with AsyncRedisPool.from_url(
            url, max_connections=1, socket_timeout=LONG, timeout=5
        ) as pool:
            await story(pool)
            connection = await pool.get_connection()
            assert connection.budget is None
            assert connection.socket_timeout == LONG
            await pool.release(connection)
            assert pool.stats().in_use == 0

    return lambda story: asyncio.run(on_a_pool(story))


def spent() -> Budget:
    """Return a budget of which nothing is left."""
    budget = Budget(1.0)
    budget._spent = 1.0
    return budget


def test_budget_is_on_the_connection_as_long_as_the_lease_has_it(play):
    """A reply may take what is left, not the minute."""

    async def story(pool: AsyncRedisPool) -> None:
        async with pool.lease(budget=1.0) as client:
            await client.ping()
            (connection,) = client.connection_pool.held
            assert connection.budget is client.connection_pool.budget
            assert connection.socket_timeout <= 1.0

    play(story)


def test_connection_given_back_early_has_no_budget(play):
    """Nor has the one that was taken after it, at the end."""

    async def story(pool: AsyncRedisPool) -> None:
        async with pool.lease(budget=1.0) as client:
            await client.ping()
            (connection,) = client.connection_pool.held
            await client.release()
            assert connection.budget is None
            await client.ping()

    play(story)


def test_command_whose_budget_is_taken_off_as_it_begins_goes_on_without(play):
    """Another task sets the terms of the request anew."""

    async def story(pool: AsyncRedisPool) -> None:
        async with pool.lease(budget=LONG) as client:
            await client.set("key", 1)
            (connection,) = client.connection_pool.held
            connection.lend(None)
            assert await client.get("key") == b"1"

    play(story)


def test_task_that_is_cancelled_gives_back_without_the_budget(play):
    """In the middle of a wait that the budget would have cut later."""

    async def story(pool: AsyncRedisPool) -> None:
        async def request() -> None:
            async with pool.lease(budget=LONG) as client:
                await client.ping()
                waits.set()
                await client.blpop("queue", 30)

        waits = asyncio.Event()
        task = asyncio.create_task(request())
        await waits.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    play(story)


def test_command_without_budget_is_not_sent(play, admin):
    """The connection is as good as before, and the next borrower has the same one."""

    async def story(pool: AsyncRedisPool) -> None:
        async def watch(pipe: Any) -> None:
            pipe.set("key", "after")

        async with pool.lease(budget=LONG) as client:
            await client.set("key", "before")
            client.connection_pool.budget = spent()
            for command in (
                lambda: client.set("key", "after"),
                lambda: client.pipeline().set("key", "after").execute(),
                lambda: client.transaction(watch, "key"),
                lambda: client.blpop("queue"),
            ):
                with pytest.raises(BudgetExceededError) as caught:
                    await command()
                assert caught.value.__cause__ is None
        async with pool.lease() as client:
            assert await client.get("key") == b"before"
        assert pool.stats().created == 1

    play(story)


def test_watch_without_budget_ends(play):
    """Its UNWATCH would be refused: the connection is closed, and given back."""

    async def story(pool: AsyncRedisPool) -> None:
        async with pool.lease(budget=LONG) as client:
            async with client.pipeline() as pipe:
                await pipe.watch("key")
                client.connection_pool.budget.seconds = 0.0
                pipe.multi()
                pipe.set("key", "value")
                with pytest.raises(BudgetExceededError) as caught:
                    await pipe.execute()
                assert not isinstance(caught.value.__context__, BudgetExceededError)
            client.connection_pool.budget.seconds = LONG
            assert await client.get("key") is None

    play(story)


def test_wait_for_another_tasks_turn_ends_with_the_budget(play):
    """Tasks that share a lease spend the same seconds."""

    async def story(pool: AsyncRedisPool) -> None:
        async with pool.lease(budget=LONG) as client:
            lease = client.connection_pool
            connection = await lease.get_connection()
            lease.budget.seconds = 0.1
            with pytest.raises(BudgetExceededError):
                async with asyncio.timeout(3):  # less than the pool's own timeout
                    await asyncio.create_task(client.ping())
            await lease.release(connection)

    play(story)


def test_wait_in_the_queue_ends_with_the_budget(play):
    """The pool counts it as what it was to it."""

    async def story(pool: AsyncRedisPool) -> None:
        kept = await pool.get_connection()
        async with pool.lease(budget=0.05) as client:
            with pytest.raises(BudgetExceededError) as caught:
                await client.ping()
        assert isinstance(caught.value.__cause__, redis.ConnectionError)
        assert pool.stats().timed_out == 1
        await pool.release(kept)

    play(story)


def test_short_way_is_taken_with_a_budget(play, monkeypatch):
    """As without one: redis-py's own send is not asked."""

    async def story(pool: AsyncRedisPool) -> None:
        async with pool.lease(budget=LONG) as client:
            await client.ping()
            with monkeypatch.context() as patch:
                patch.setattr(GuardedAsyncConnection, "send_command", None)
                assert await client.set("key", "value")

    play(story)


def test_budget_of_a_scope_reaches_what_its_leases_hold(play):
    """Whoever sets it in the middle of a request means what comes from then on."""

    async def story(pool: AsyncRedisPool) -> None:
        scope = Scope()
        client = scope.client(pool)
        await client.ping()
        scope.limit(budget=0.1)
        with pytest.raises(BudgetExceededError):
            await client.blpop("queue", 30)
        scope.limit(budget=LONG)
        assert await client.ping()
        scope.end()

    play(story)
