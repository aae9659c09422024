"""`slow_redis`: each answer comes late."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
import redis

from redis_pool_ext import BudgetExceededError, ConfigError, get_async_pool, get_pool
from redis_pool_ext.testing import slow_redis
from redis_pool_ext.testing.tapped import asyncio as slept_by_tasks
from redis_pool_ext.testing.tapped import time as slept_by_threads

from ..support.threads import spawn

LATE = 0.02
NEVER = 3600.0


@pytest.fixture
def sleeps(monkeypatch) -> list[float]:
    """For how long replies were waited for, each time."""
    sleeps: list[float] = []
    sleep, sleep_of_tasks = time.sleep, asyncio.sleep

    def note(seconds: float) -> None:
        sleeps.extend([seconds] if seconds else [])
        sleep(seconds)

    async def note_of_task(seconds: float) -> None:
        sleeps.extend([seconds] if seconds else [])
        await sleep_of_tasks(seconds)

    monkeypatch.setattr(slept_by_threads, "sleep", note)
    monkeypatch.setattr(slept_by_tasks, "sleep", note_of_task)
    return sleeps


def test_answer_comes_so_much_later(caller):
    """It is the right one; and the next one is late again."""
    caller.ask("SET", "k", "v")
    began = time.monotonic()
    with slow_redis(LATE):
        assert caller.ask("GET", "k") == b"v"
        assert caller.ask("GET", "k") == b"v"

    assert time.monotonic() - began >= 2 * LATE


def test_answers_to_a_lease_are_late(caller):
    """Also on a connection that was taken before."""
    with caller.lease() as ask:
        began = time.monotonic()
        with slow_redis(LATE):
            ask("PING")

        assert time.monotonic() - began >= LATE


def test_answers_to_a_pipeline_are_late_once(caller, sleeps):
    """As they come together."""
    with slow_redis(LATE):
        assert caller.pipeline(("INCR", "n"), ("INCR", "n"), ("INCR", "n")) == [1, 2, 3]

    assert len([seconds for seconds in sleeps if seconds > LATE / 2]) == 1


def test_socket_timeout_ends_the_wait(caller):
    """As it does where a server is slow; the connection is not used again."""
    caller.pool().connection_kwargs["socket_timeout"] = 0.01

    with slow_redis(NEVER), pytest.raises(redis.TimeoutError):
        caller.ask("PING")
    assert caller.pool().stats().idle == 0
    caller.pool().connection_kwargs["socket_timeout"] = 5.0
    assert caller.ask("PING")


def test_budget_ends_the_wait(caller, sleeps):
    """Of the lease, before the socket's timeout does."""
    caller.ask("PING")  # so that no dial comes out of it
    with slow_redis(NEVER), pytest.raises(BudgetExceededError):
        caller.ask_in(0.2, "PING")

    assert all(seconds <= 0.2 for seconds in sleeps)


def test_task_can_be_cancelled_while_it_waits(pools):
    """It leaves no reply to the next borrower."""

    async def cancel() -> None:
        pool = get_async_pool()
        await pool.client.set("k", "v")
        with slow_redis(NEVER), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await pool.client.incr("n")
        assert await pool.client.get("k") == b"v"

    asyncio.run(cancel())


def test_who_still_waits_as_it_ends_gets_the_answer(pools):
    """Nothing is torn away from under it."""

    async def wait() -> bool:
        pool = get_async_pool()
        with slow_redis(LATE):
            waiting = asyncio.create_task(pool.client.ping())
            while not pool.stats().in_use or not _connection(pool).pending:
                await asyncio.sleep(0)
        return await waiting

    assert asyncio.run(wait())


def test_thread_that_still_waits_as_it_ends_gets_the_answer(pools, monkeypatch):
    """The same, in another thread."""
    has_begun, may_end = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        if seconds:
            has_begun.set()
            may_end.wait(30)

    pool = get_pool()
    with slow_redis(LATE):
        monkeypatch.setattr(slept_by_threads, "sleep", sleep)
        waiting = spawn(pool.client.ping)
        has_begun.wait(30)
        monkeypatch.undo()
    may_end.set()

    assert waiting.result()


def _connection(pool):
    (slot,) = pool._ledger.slots()
    return slot.connection()


def test_other_pools_are_as_quick_as_ever(caller, sleeps):
    """Only those of this alias are slow."""
    with slow_redis(NEVER):
        assert caller.ask("PING", alias="reports")

    assert [seconds for seconds in sleeps if seconds > LATE] == []


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan"), "1", None, True])
def test_impossible_delay_is_refused(seconds):
    """The message names the argument."""
    with pytest.raises(ConfigError, match="seconds"), slow_redis(seconds):
        pass
