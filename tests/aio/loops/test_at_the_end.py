"""What a loop leaves behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from redis_pool_ext import AsyncRedisPool, get_async_pool, get_async_redis
from redis_pool_ext.aio.loops import async_pools

from ..tasks import wait_until as until
from .running import FINDS, NAME, UVLOOP_WARNS, hit, new_uvloop, use_both, with_found_pool

pytestmark = UVLOOP_WARNS


class TestAtTheEnd:
    """What a loop leaves behind."""

    def test_end_of_run_closes_the_sockets_of_a_pool(self, pool, run, nothing_left):
        """Nobody has called close()."""
        run(use_both(pool))
        nothing_left()

    def test_end_of_run_closes_the_sockets_of_the_loops_pools(self, configured, run, nothing_left):
        """And the process forgets the loop."""
        run(with_found_pool(use_both))
        nothing_left()
        assert async_pools() == []

    def test_end_of_run_closes_what_is_still_leased(self, configured, run, nothing_left):
        """A lease that nobody ended, a pubsub that nobody closed."""
        kept: list[Any] = []

        async def main() -> None:
            client = get_async_pool().lease().client()
            pubsub = client.pubsub()
            await client.ping()
            await pubsub.subscribe("news")
            kept.extend([client, pubsub])

        run(main())
        nothing_left()

    def test_pubsub_closed_in_another_loop_is_no_second_release(self, pool, run):
        """Its connection went with its loop: nothing is to be given back, or complained of."""
        lease = pool.lease()

        async def subscribed() -> Any:
            pubsub = lease.client().pubsub()
            await pubsub.subscribe("news")
            return pubsub

        run(run(subscribed()).aclose())
        assert pool.stats().double_releases == 0

    def test_end_of_run_that_fails_closes_as_well(self, configured, run, nothing_left):
        """An exception out of the program leaves no socket either."""

        async def main() -> None:
            await get_async_pool().lease().client().ping()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run(main())
        nothing_left()

    def test_end_of_run_closes_below_a_task_that_is_cancelled_by_it(
        self, configured, run, nothing_left
    ):
        """asyncio.run() cancels what still runs; here in the middle of a command."""

        async def main() -> None:
            client = get_async_pool().lease().client()
            await client.ping()
            task = asyncio.create_task(client.blpop("empty"))
            await until(lambda: bool(get_async_pool().stats().in_use))
            tasks.append(task)

        tasks: list[Any] = []
        run(main())
        assert tasks[0].cancelled()
        nothing_left()

    @pytest.mark.parametrize("find", FINDS)
    def test_generator_that_the_end_closes_may_still_use_redis(
        self, configured, run, find, admin, caplog, nothing_left
    ):
        """What it does in its `finally` is done before the sockets close, in several commands."""
        kept: list[Any] = []

        async def numbers(client: Any) -> AsyncGenerator[int, None]:
            try:
                while True:
                    yield await client().incr("numbers")
            finally:
                await client().set("closed", "yes")
                await client().incr("numbers")

        async def main() -> None:
            kept.append(numbers(FINDS[find]()))  # or it would be closed at once
            assert await anext(kept[0]) == 1

        run(main())
        assert (admin.get("closed"), admin.get("numbers")) == (b"yes", b"2")
        assert caplog.records == []
        nothing_left()

    def test_generator_that_the_end_closes_may_be_the_first_to_use_redis(
        self, configured, run, admin, caplog, nothing_left
    ):
        """Its loop is about to end, and still has a pool for it."""
        kept: list[Any] = []

        async def once() -> AsyncGenerator[None, None]:
            try:
                yield
            finally:
                await get_async_redis().set("closed", "yes")

        async def main() -> None:
            kept.append(once())
            await anext(kept[0])
            get_async_pool()

        run(main())
        assert admin.get("closed") == b"yes"
        assert caplog.records == []
        nothing_left()

    def test_loop_that_is_just_closed_leaves_nothing_when_the_next_pool_is_made(
        self, configured, connected, nothing_left
    ):
        """Without shutdown_asyncgens() nobody tells the pool; it is found out later."""
        loop = asyncio.new_event_loop()
        loop.run_until_complete(with_found_pool(use_both))
        loop.close()
        left = connected()
        assert len(left) == 2

        def only_the_new_one() -> bool:
            return len(now := connected()) == 1 and not now & left

        async def main() -> None:
            await hit()
            await until(only_the_new_one)
            assert async_pools() == [get_async_pool()]

        asyncio.run(main())
        nothing_left()

    def test_pool_of_a_loop_that_is_just_closed_begins_anew_in_the_next(
        self, pool, connected, nothing_left
    ):
        """Its next use closes what was left."""
        loop = asyncio.new_event_loop()
        loop.run_until_complete(use_both(pool))
        loop.close()
        left = connected()
        assert len(left) == 2

        async def main() -> None:
            await pool.client.ping()
            await until(lambda: len(now := connected()) == 1 and not now & left)

        asyncio.run(main())
        nothing_left()

    def test_uvloop_that_is_just_closed_closes_its_sockets(self, configured, nothing_left):
        """It does that itself."""
        loop = new_uvloop()
        loop.run_until_complete(with_found_pool(use_both))
        loop.close()
        nothing_left()

    def test_pool_that_is_dropped_in_its_loop_leaves_nothing(
        self, url, run, connected, monkeypatch
    ):
        """No reference, no socket, and no complaint of a stream; the loop goes on."""
        dial = asyncio.open_connection

        def collect_and_dial(*args: Any, **kwargs: Any) -> Any:
            gc.collect(0)  # what is made after it will be finalized before
            return dial(*args, **kwargs)

        monkeypatch.setattr(asyncio, "open_connection", collect_and_dial)

        async def main() -> None:
            pool = AsyncRedisPool.from_url(url, client_name=NAME)
            await pool.client.ping()
            assert len(connected()) == 1
            del pool
            gc.collect()
            await until(lambda: not connected())

        run(main())
