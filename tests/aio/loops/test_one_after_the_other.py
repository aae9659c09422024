"""Loops that end, and the next one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from redis_pool_ext import AsyncRedisPool, get_async_pool, get_async_redis, lease_scope
from redis_pool_ext.aio.loops import async_pools

from .running import UVLOOP_WARNS, hit, hit_again, unhit

pytestmark = UVLOOP_WARNS


class TestOneAfterTheOther:
    """Loops that end, and the next one."""

    def test_pool_of_a_module_serves_one_loop_after_the_other(self, pool, run, connected):
        """In each it begins anew, with an empty pool."""

        async def main() -> tuple[int, int, set[str]]:
            async with pool.lease() as client:
                return await client.incr("hits"), pool.stats().created, connected()

        (one, created, first), (two, created_again, second) = run(main()), run(main())
        assert (one, two) == (1, 2)
        assert (created, created_again) == (1, 1)
        assert len(first) == len(second) == 1
        assert not first & second

    def test_get_async_redis_serves_one_loop_after_the_other(self, configured, run, connected):
        """Each loop finds a pool of its own."""

        async def main() -> tuple[int, AsyncRedisPool, set[str]]:
            return await hit(), get_async_pool(), connected()

        (one, first, _), (two, second, now) = run(main()), run(main())
        assert (one, two) == (1, 2)
        assert first is not second
        assert len(now) == 1

    def test_scope_serves_one_loop_after_the_other(self, configured, run):
        """One scope around two of them has a lease in each."""
        with lease_scope():
            assert run(hit()) == 1
            assert run(hit()) == 2

    def test_client_that_was_kept_serves_the_next_loop(self, configured, run):
        """As `request.aredis` does, where Django runs middleware and view in two of them."""
        kept: list[Any] = []

        async def main() -> int:
            kept.append(kept[0] if kept else get_async_redis())
            return await kept[0].incr("hits")

        with lease_scope():
            assert run(main()) == 1
            assert run(main()) == 2
        assert kept[0] is kept[1]

    def test_loop_per_test_as_of_pytest_asyncio(self, configured, make_loop, nothing_left):
        """A runner for each, many in a row: nothing is left over from the one before."""
        for number in range(1, 11):
            with asyncio.Runner(loop_factory=make_loop) as runner:
                assert runner.run(hit()) == number
                assert runner.run(hit_again(number)) == 1
                runner.run(unhit())
        nothing_left()

    def test_runner_that_is_run_twice_keeps_its_pool(self, configured, make_loop, connected):
        """The loop is the same, and so is the connection."""
        with asyncio.Runner(loop_factory=make_loop) as runner:
            assert runner.run(hit()) == 1
            before = connected()
            assert runner.run(hit()) == 2
            assert connected() == before

    def test_async_to_sync_many_times_leaves_nothing(self, configured, nothing_left):
        """As async views under WSGI: a loop, and a dial, for each call."""
        sync = pytest.importorskip("asgiref.sync").async_to_sync(hit)

        assert [sync() for _ in range(20)] == list(range(1, 21))
        nothing_left()
        assert async_pools() == []
