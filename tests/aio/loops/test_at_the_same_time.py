"""Loops in several threads."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any

import pytest

from redis_pool_ext import AsyncRedisPool, LeaseError, get_async_pool, get_async_redis, lease_scope
from redis_pool_ext.aio.loops import async_pools

from ...support.threads import spawn
from ..tasks import wait_until as until
from .running import PATIENCE, UVLOOP_WARNS, Looping, use_both, with_found_pool

pytestmark = UVLOOP_WARNS


class TestAtTheSameTime:
    """Loops in several threads."""

    def test_two_loops_have_a_pool_each(self, configured, run, connected, nothing_left):
        """With a bound of its own, and the process knows both."""
        both = threading.Barrier(2)

        async def main() -> AsyncRedisPool:
            await with_found_pool(use_both)
            both.wait(PATIENCE)
            assert len(connected()) == 4
            assert len(async_pools()) == 2
            both.wait(PATIENCE)
            return get_async_pool()

        threads = [spawn(run, main()) for _ in range(2)]
        assert len({id(thread.result()) for thread in threads}) == 2
        nothing_left()

    def test_pool_in_the_wrong_loop_says_what_to_do(self, pool, run, another):
        """As long as its own loop is there; and it goes on working in that."""
        another.run(use_both(pool))

        async def main() -> None:
            with pytest.raises(LeaseError) as caught:
                await pool.get_connection()
            assert str(caught.value) == (
                'the pool "default" belongs to another event loop, which still is there: '
                "call get_async_pool() in each loop, or make a pool for each"
            )

        run(main())
        another.run(use_both(pool))
        assert pool.stats().created == 2

    def test_lease_in_the_wrong_loop_says_what_to_do(self, configured, run, another):
        """A scope that two loops are in at once has a lease in each: ask for that."""

        async def make() -> Any:
            client = get_async_redis()
            await client.ping()
            return client

        with lease_scope():
            client = another.run(make())  # runs in a copy of this context

            async def main() -> None:
                with pytest.raises(LeaseError, match=r"call get_async_redis\(\)"):
                    await client.ping()
                assert await get_async_redis().ping()

            run(main())

    def test_pool_of_a_loop_that_has_ended_is_free_for_another(self, pool, run, make_loop):
        """Who made it may use it in the next thread's loop."""
        with closing(Looping(make_loop)) as first:
            first.run(use_both(pool))
        run(use_both(pool))

    def test_scope_that_ends_in_another_thread_gives_back_in_the_loop(self, configured, another):
        """As a middleware that knows no coroutines does; the connection is kept."""
        scopes: list[Any] = []

        async def main() -> AsyncRedisPool:
            with lease_scope() as scope:
                await get_async_redis().ping()
                assert get_async_pool().stats().in_use == 1
                scopes.append(scope)
                spawn(scope.end).result()
                assert get_async_pool().stats().in_use == 1  # the loop had no chance yet
                await until(lambda: not get_async_pool().stats().in_use)
            return get_async_pool()

        stats = another.run(main()).stats()
        assert (stats.in_use, stats.idle) == (0, 1)
