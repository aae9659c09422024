"""close() and disconnect(): who is woken, and who is left alone.

The twin of tests/pool/test_closing.py: the same promises under the same names.
"""

from __future__ import annotations

import asyncio

import pytest
import redis
import redis.asyncio

from redis_pool_ext import PoolClosedError

from ..pools import stub_pool
from ..tasks import start, wait_until


class TestClosing:
    """close() and disconnect()."""

    async def test_close_wakes_every_waiter(self):
        """Nobody waits for a pool that will give nothing any more."""
        pool = stub_pool(1, timeout=30)
        kept = await pool.get_connection()
        waiters = [start(pool.get_connection()) for _ in range(5)]
        await wait_until(lambda: pool.stats().waiting == 5)
        await pool.close()

        for waiter in waiters:
            with pytest.raises(PoolClosedError):
                await asyncio.wait_for(waiter, 5)
        assert kept.is_connected  # it is in use: closed when it comes back
        await pool.release(kept)
        assert not kept.is_connected
        assert pool.stats().in_use == pool.stats().idle == 0

    async def test_dial_that_ends_after_close_lends_nothing(self):
        """A pool that was closed meanwhile is closed."""
        gate = asyncio.Event()
        pool = stub_pool(1, script=[gate.wait])
        caller = start(pool.get_connection())
        await wait_until(lambda: pool.stats().connecting == 1)
        await pool.close()
        gate.set()

        with pytest.raises(PoolClosedError):
            await caller
        assert (pool.stats().in_use, pool.stats().closed) == (0, 1)

    async def test_closed_pool_refuses(self):
        """After close() every caller is told so."""
        pool = stub_pool()
        await pool.close()
        await pool.close()

        with pytest.raises(PoolClosedError, match="is closed"):
            await pool.get_connection()
        assert pool.stats().closed == 1

    @pytest.mark.parametrize("argument", [True, False])
    async def test_disconnect_spares_connections_in_use(self, argument):
        """Idle ones close now, those in use when they come back."""
        pool = stub_pool()
        used, idle = await pool.get_connection(), await pool.get_connection()
        await pool.release(idle)
        await pool.disconnect(inuse_connections=argument)

        assert not idle.is_connected
        assert used.is_connected
        await pool.release(used)
        assert not used.is_connected
        assert pool.stats().discarded == {"drained": 2}

    async def test_client_that_owns_the_pool_does_not_cut_others(self):
        """redis.Redis.from_pool() closes "its" pool; a connection in use stays open."""
        pool = stub_pool()
        used = await pool.get_connection()
        await redis.asyncio.Redis.from_pool(pool).aclose()

        assert used.is_connected

    async def test_pool_as_context_manager_closes_itself(self):
        """As redis-py's pools do."""
        async with stub_pool() as pool:
            await pool.release(await pool.get_connection())

        assert pool.is_closed
