"""Tasks share one connection, one exchange at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from redis_pool_ext import ConnectionPoolTimeoutError

from ...support.proxy import FaultyProxy
from ..cancels import When, cancel_everywhere
from ..pools import pool_of
from ..tasks import start, wait_until


class TestTurns:
    """Tasks share one connection, one exchange at a time."""

    async def test_gathered_commands_are_answered_in_order_of_arrival(self, url):
        """Fifty at once, on one connection."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                numbers = await asyncio.gather(*(client.incr("n") for _ in range(50)))

            assert numbers == list(range(1, 51))
            assert pool.stats().created == 1

    async def test_child_tasks_are_on_their_parents_connection(self, url):
        """One request, one connection, however many tasks it starts."""
        async with pool_of(url) as pool:
            async with pool.lease() as client, asyncio.TaskGroup() as group:
                children = [group.create_task(client.client_id()) for _ in range(5)]

            assert len({child.result() for child in children}) == 1
            assert pool.stats().acquired == 1

    async def test_waiting_tasks_go_on_in_order_of_arrival(self, url):
        """When the transaction is over that kept them; a cancelled one is passed over."""
        order = []

        async def ask(number: int) -> None:
            assert await client.echo(f"{number}") == f"{number}".encode()
            order.append(number)

        async with pool_of(url, timeout=5) as pool, pool.lease() as client:
            async with client.pipeline() as pipe:
                await pipe.watch("k")
                waiting = [start(ask(number)) for number in range(5)]
                await asyncio.sleep(0)
                waiting[2].cancel()
                assert order == []
            await asyncio.wait(waiting)

        assert order == [0, 1, 3, 4]

    async def test_tasks_wait_in_vain_for_one_in_a_watch(self, url):
        """Also its own children: they are told who keeps them, and the WATCH is not harmed."""
        async with pool_of(url, timeout=0.05) as pool, pool.lease() as client:
            async with client.pipeline() as pipe:
                await pipe.watch("k")
                errors = await asyncio.gather(
                    client.get("k"),
                    client.pipeline().get("k").execute(),
                    client.release(),
                    return_exceptions=True,
                )
                pipe.multi()
                pipe.set("k", 1)
                assert await pipe.execute() == [True]

            assert [type(error) for error in errors] == [ConnectionPoolTimeoutError] * 3
            assert all("another task used this lease" in str(error) for error in errors)
            assert await client.get("k") == b"1"

    @pytest.mark.parametrize("is_executed", [True, False], ids=["executed", "left"])
    async def test_pipeline_that_is_cancelled_twice_gives_the_turn_back(self, url, is_executed):
        """Wherever it waits, and again while it cleans up: the next task is not kept waiting."""
        async with pool_of(url, timeout=0.5) as pool, pool.lease() as client:

            async def transaction() -> None:
                async with client.pipeline() as pipe:
                    await pipe.watch("k")
                    if is_executed:
                        pipe.multi()
                        pipe.set("k", 1)
                        await pipe.execute()

            async for place in cancel_everywhere(transaction, When.TWICE):
                answer = await start(client.echo(f"after {place}"))
                assert answer == f"after {place}".encode()

    async def test_pipeline_lets_go_without_a_task_of_its_own(self, url):
        """redis-py starts one for each, and the turn would be given back when that has run."""
        made = []

        def note(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> Any:
            made.append(work)
            return asyncio.Task(work, loop=loop, **options)

        async with pool_of(url) as pool, pool.lease() as client:
            asyncio.get_running_loop().set_task_factory(note)
            async with client.pipeline() as pipe:
                await pipe.set("k", 1).execute()
                await pipe.watch("k")
                await pipe.unwatch()
                pipe.get("k")

        assert made == []

    async def test_reset_that_is_cancelled_twice_gives_the_turn_back(self, redis_server, url):
        """In the middle of an UNWATCH that nobody answers."""
        with FaultyProxy(redis_server.port) as proxy:
            async with pool_of(proxy.url, timeout=5) as pool, pool.lease() as client:
                pipe = client.pipeline()
                await pipe.watch("k")
                connection = pipe.connection
                proxy.swallow()
                resetting = start(pipe.reset())
                await wait_until(lambda: connection.pending == 1)
                for _ in range(2):
                    resetting.cancel()
                    await asyncio.sleep(0)
                await asyncio.wait([resetting])
                proxy.resume()

                assert await start(client.echo("mine")) == b"mine"
                assert pool.stats().in_use == 1
