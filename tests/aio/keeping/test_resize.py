"""resize(): another bound while the pool runs.

The twin of tests/keeping/test_resize.py: the same promises under the same names.
"""

from __future__ import annotations

import pytest

from redis_pool_ext import ConfigError

from ...support.forks import pretend_to_be_the_child
from ..pools import assert_whole, leave_idle, unkept_pool
from ..tasks import start, wait_until


class TestResize:
    """resize(): another bound while it runs."""

    async def test_growing_serves_those_who_wait(self):
        """At once, not with the next return."""
        pool = unkept_pool(1)
        kept = await pool.get_connection()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        pool.resize(2)

        assert await waiter is not kept
        assert pool.stats().max_connections == pool.max_connections == 2
        await pool.release(kept)
        await pool.release(waiter.result())
        await assert_whole(pool)

    async def test_shrinking_closes_idle_ones_now(self):
        """Those that idle longest."""
        pool = unkept_pool(4)
        taken = await leave_idle(pool, 4)
        pool.resize(1)

        assert [connection.is_connected for connection in taken] == [False, False, False, True]
        assert pool.stats().discarded == {"surplus": 3}
        await assert_whole(pool)

    async def test_shrinking_closes_those_in_use_as_they_come_back(self):
        """Nobody is cut."""
        pool = unkept_pool(3)
        taken = [await pool.get_connection() for _ in range(3)]
        pool.resize(1)
        assert all(connection.is_connected for connection in taken)
        for connection in taken:
            await pool.release(connection)

        assert (pool.stats().idle, pool.stats().discarded) == (1, {"surplus": 2})
        await assert_whole(pool)

    async def test_who_waits_is_served_below_the_new_bound(self):
        """What comes back above it is closed, although somebody wants it."""
        pool = unkept_pool(2)
        one, two = await pool.get_connection(), await pool.get_connection()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        pool.resize(1)
        await pool.release(one)
        assert (pool.stats().waiting, pool.stats().in_use) == (1, 1)
        await pool.release(two)

        assert await waiter is two
        await pool.release(two)
        await assert_whole(pool)

    async def test_child_has_the_new_bound(self):
        """A fork copies the size that is in force."""
        pool = unkept_pool(4)
        pool.resize(2)
        pretend_to_be_the_child(pool)
        kept = [await pool.get_connection() for _ in range(2)]

        assert pool.stats().max_connections == 2
        for connection in kept:
            await pool.release(connection)

    @pytest.mark.parametrize(
        ("size", "said"), [(0, "0 is too small"), (1, "2 is more than max_connections, which is 1")]
    )
    async def test_impossible_size_changes_nothing(self, size, said):
        """None at all, or fewer than `min_idle`."""
        pool = unkept_pool(4, min_idle=2)
        with pytest.raises(ConfigError, match=said):
            pool.resize(size)

        assert pool.max_connections == pool.stats().max_connections == 4
