"""close(timeout): waiting for those who are out.

The twin of tests/keeping/test_closing.py: the same promises under the same names.
"""

from __future__ import annotations

import asyncio

import pytest

from redis_pool_ext import PoolClosedError

from ..pools import leave_idle, unkept_pool
from ..tasks import start, wait_until


class TestClosing:
    """close(timeout): waiting for those who are out."""

    async def test_nothing_out_is_all_back(self):
        """Idle ones close at once."""
        pool = unkept_pool()
        taken = await leave_idle(pool, 2)

        assert await pool.close() is True
        assert not any(connection.is_connected for connection in taken)
        assert pool.stats().discarded == {"pool_closed": 2}

    async def test_without_a_timeout_it_only_looks(self):
        """Who is out is not cut, and closes as it comes back."""
        pool = unkept_pool()
        held = await pool.get_connection()

        assert await pool.close() is False
        assert held.is_connected
        await pool.release(held)
        assert not held.is_connected
        assert await pool.close() is True

    async def test_it_waits_for_those_who_are_out(self):
        """Until the last one is back."""
        pool = unkept_pool()
        one, two = await pool.get_connection(), await pool.get_connection()
        closing = start(pool.close(20))
        await wait_until(lambda: pool.is_closed)
        await pool.release(one)
        assert not closing.done()
        await pool.release(two)

        assert await closing is True

    async def test_it_waits_no_longer_than_its_timeout(self):
        """The one who keeps a connection is not cut then, either."""
        pool = unkept_pool()
        held = await pool.get_connection()

        assert await pool.close(timeout=0.05) is False
        assert held.is_connected
        await pool.release(held)

    async def test_it_waits_for_dials_under_way(self):
        """Their callers are told that the pool is closed."""
        gate = asyncio.Event()
        pool = unkept_pool(script=[gate.wait])
        dialling = start(pool.get_connection())
        await wait_until(lambda: pool.stats().connecting == 1)
        assert await pool.close() is False
        closing = start(pool.close(20))
        gate.set()

        assert await closing is True
        with pytest.raises(PoolClosedError):
            await dialling

    async def test_waiters_do_not_wait_with_it(self):
        """They fail at once."""
        pool = unkept_pool(1)
        held = await pool.get_connection()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        closing = start(pool.close(20))
        with pytest.raises(PoolClosedError):
            await waiter
        assert not closing.done()
        await pool.release(held)

        assert await closing is True
