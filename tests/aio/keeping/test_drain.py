"""drain(): every connection is renewed.

The twin of tests/keeping/test_drain.py: the same promises under the same names.
"""

from __future__ import annotations

import asyncio

import pytest

from ..pools import assert_whole, leave_idle, unkept_pool
from ..tasks import start, wait_until


class TestDrain:
    """drain(): every connection is renewed."""

    @pytest.mark.parametrize("way", ["drain", "disconnect", "reset"])
    async def test_idle_ones_close_now_the_others_as_they_come_back(self, way):
        """Nobody is cut; redis-py's words for it do the same."""
        pool = unkept_pool(2)
        held = await pool.get_connection()
        [idle] = await leave_idle(pool, 1)
        done = getattr(pool, way)()
        if done is not None:  # redis.asyncio's disconnect() is a coroutine
            await done
        assert (idle.is_connected, held.is_connected) == (False, True)
        await pool.release(held)

        assert not held.is_connected
        assert pool.stats().discarded == {"drained": 2}
        await assert_whole(pool)
        assert pool.stats().idle == 2  # the new ones are kept

    async def test_who_waits_gets_a_new_one(self):
        """Not the old one that comes back."""
        pool = unkept_pool(1)
        held = await pool.get_connection()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        pool.drain()
        await pool.release(held)

        assert await waiter is not held
        await pool.release(await waiter)

    async def test_dial_under_way_is_of_the_old_generation(self):
        """It may have begun with the old address or password."""
        gate = asyncio.Event()
        pool = unkept_pool(1, script=[gate.wait])
        dialling = start(pool.get_connection())
        await wait_until(lambda: pool.stats().connecting == 1)
        pool.drain()
        gate.set()
        await pool.release(await dialling)

        assert pool.stats().discarded == {"drained": 1}
