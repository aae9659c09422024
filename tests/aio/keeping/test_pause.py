"""pause() and resume(): nothing is lent for a while.

The twin of tests/keeping/test_pause.py: the same promises under the same names.
"""

from __future__ import annotations

import asyncio

import pytest

from redis_pool_ext import AsyncRedisPool, ConnectionPoolTimeoutError, PoolClosedError

from ...support.forks import in_child
from ..pools import leave_idle, unkept_pool
from ..tasks import start, wait_until


class TestPause:
    """pause() and resume()."""

    async def test_caller_waits_its_timeout_and_is_told(self):
        """Although one idles; the message says what would help."""
        pool = unkept_pool(2, timeout=0.05)
        await leave_idle(pool, 1)
        pool.pause()
        with pytest.raises(ConnectionPoolTimeoutError, match=r"the pool is paused: resume\(\)"):
            await pool.get_connection()

        assert pool.stats().is_paused
        assert (pool.stats().idle, pool.stats().created, pool.stats().timed_out) == (1, 1, 1)

    async def test_resume_serves_in_order_of_arrival(self):
        """First those who have waited."""
        pool = unkept_pool(1)
        pool.pause()
        served: list[int] = []

        async def borrow(number: int) -> None:
            connection = await pool.get_connection()
            served.append(number)
            await pool.release(connection)

        callers = []
        for number in range(4):
            callers.append(start(borrow(number)))
            await wait_until(lambda n=number: pool.stats().waiting == n + 1)
        pool.resume()
        for caller in callers:
            await caller

        assert served == [0, 1, 2, 3]
        assert not pool.stats().is_paused

    async def test_who_holds_a_connection_goes_on(self, url):
        """Also when its socket drops: it dials again."""
        async with AsyncRedisPool.from_url(url) as pool, pool.lease() as client:
            await client.ping()
            pool.pause()
            assert await client.ping()
            client.connection_pool.held[0].cut()
            assert await client.ping()
            assert pool.stats().created == 2

    async def test_what_comes_back_in_a_pause_is_kept_for_later(self):
        """It idles, although somebody waits."""
        pool = unkept_pool(1)
        held = await pool.get_connection()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        pool.pause()
        await pool.release(held)
        assert (pool.stats().idle, pool.stats().waiting) == (1, 1)
        pool.resume()

        assert await waiter is held
        await pool.release(held)

    async def test_slot_that_comes_free_in_a_pause_is_dialled_later(self):
        """A dirty return frees a slot; nobody dials in it before the end of the pause."""
        pool = unkept_pool(1)
        held = await pool.get_connection()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        pool.pause()
        held.cut()
        await pool.release(held)
        assert (pool.stats().connecting, pool.stats().waiting) == (0, 1)
        pool.resume()

        await pool.release(await waiter)

    async def test_dial_under_way_at_the_pause_is_kept_for_later(self):
        """Its caller goes back to its place in the queue; nothing is lent in a pause."""
        go_on = asyncio.Event()
        pool = unkept_pool(1, script=[go_on.wait])
        caller = start(pool.get_connection())
        await wait_until(lambda: pool.stats().connecting == 1)
        pool.pause()
        go_on.set()
        await wait_until(lambda: pool.stats().waiting == 1)
        assert (pool.stats().idle, pool.stats().in_use, pool.stats().acquired) == (1, 0, 0)
        pool.resume()

        await pool.release(await caller)
        assert (pool.stats().created, pool.stats().acquired) == (1, 1)

    async def test_what_comes_back_in_a_pause_is_no_more_than_may_idle(self):
        """Those who wait cannot have it before the end of the pause."""
        pool = unkept_pool(2, max_idle=1)
        held = [await pool.get_connection(), await pool.get_connection()]
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        pool.pause()
        for connection in held:
            await pool.release(connection)
        assert (pool.stats().idle, dict(pool.stats().discarded)) == (1, {"surplus": 1})
        pool.resume()

        await pool.release(await waiter)

    async def test_pause_lasts_in_a_forked_child(self):
        """The server is being replaced for the child, too."""
        pool = unkept_pool(1, timeout=0.0)
        pool.pause()

        async def child() -> None:
            assert pool.stats().is_paused
            with pytest.raises(ConnectionPoolTimeoutError, match="paused"):
                await pool.get_connection()

        in_child(lambda: asyncio.run(child()))

    async def test_pause_that_is_closed_sends_waiters_away(self):
        """At once."""
        pool = unkept_pool(1)
        pool.pause()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        await pool.close()

        with pytest.raises(PoolClosedError):
            await waiter
