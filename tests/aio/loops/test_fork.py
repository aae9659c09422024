"""A process that forks while an async pool is alive."""

from __future__ import annotations

import asyncio
import gc
import os
import select
from typing import Any

import pytest

from redis_pool_ext import LeaseError, get_async_pool
from redis_pool_ext.aio.loops import async_pools

from ...support.forks import FORK_WARNS, fork_without_hooks, in_child
from .running import UVLOOP_WARNS, hit, run_in_runner, use_both, with_found_pool

pytestmark = UVLOOP_WARNS


FORKS = pytest.mark.parametrize(
    "fork", [os.fork, fork_without_hooks], ids=["os.fork", "without hooks"]
)


@FORK_WARNS
class TestFork:
    """A process that forks while an async pool is alive."""

    def test_child_of_a_coroutine_gets_a_fresh_pool_in_its_own_loop(
        self, configured, run, connected
    ):
        """It shares no socket with its parent, whose connection still works."""

        async def main() -> None:
            assert await hit() == 1
            parents, mine = get_async_pool(), connected()

            def in_the_child() -> None:
                assert run(hit()) == 2
                assert async_pools() == []
                assert parents.stats().in_use == parents.stats().idle == 0

            in_child(in_the_child)
            assert await hit() == 3
            assert get_async_pool() is parents
            assert connected() == mine
            assert parents.stats().created == 1

        run(main())

    def test_lease_of_the_parent_refuses_in_the_child(self, configured, run):
        """And goes on in the parent, in the middle of its transaction."""

        async def main() -> None:
            async with get_async_pool().lease() as client:
                pipeline = client.pipeline()
                await pipeline.watch("hits")

                async def use() -> None:
                    with pytest.raises(LeaseError, match="after a fork"):
                        await client.ping()

                in_child(lambda: run(use()))
                pipeline.multi()
                pipeline.incr("hits")
                assert await pipeline.execute() == [1]

        run(main())

    @FORKS
    def test_child_of_a_loop_that_stands_still_gets_a_fresh_pool(
        self, configured, make_loop, fork, connected
    ):
        """However it was forked, it begins anew; and the parent goes on."""
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(with_found_pool(use_both))
            mine = connected()

            def in_the_child() -> None:
                run_in_runner(make_loop, hit())
                assert mine <= connected()
                gc.collect()

            in_child(in_the_child, fork)
            assert runner.run(hit()) == 2
            assert connected() == mine

    @FORKS
    def test_pool_of_a_module_begins_anew_in_the_child(self, pool, make_loop, fork, connected):
        """The same object, another process: other connections."""
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(use_both(pool))
            mine = connected()

            def in_the_child() -> None:
                run_in_runner(make_loop, use_both(pool))
                assert mine <= connected()

            in_child(in_the_child, fork)
            runner.run(use_both(pool))
            assert connected() == mine

    @FORKS
    def test_child_does_not_wake_its_parents_loop(self, pool, fork):
        """The two share what wakes it, and what the child drops would like to be heard."""
        with asyncio.Runner() as runner:
            runner.run(use_both(pool))

            def in_the_child() -> None:
                asyncio.run(use_both(pool))
                gc.collect()

            in_child(in_the_child, fork)
            parents: Any = runner.get_loop()
            assert select.select([parents._ssock], [], [], 0) == ([], [], [])

    @FORKS
    def test_child_of_a_process_whose_loop_has_ended_works(self, configured, run, fork):
        """As a worker of a server that has warmed up before it forks."""
        run(hit())

        def in_the_child() -> None:
            assert run(hit()) == 2

        in_child(in_the_child, fork)
        assert run(hit()) == 3
