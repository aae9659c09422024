"""warm_up(): connections before there are callers.

The twin of tests/keeping/test_warm_up.py: the same promises under the same names.
"""

from __future__ import annotations

import asyncio
import time

import pytest
import redis

from redis_pool_ext import AsyncRedisPool, ConfigError, PoolClosedError, PoolUnavailableError

from ...support.forks import in_child, pretend_to_be_the_child
from ..pools import assert_whole, leave_idle, unkept_pool
from ..tasks import start, wait_until


class TestWarmUp:
    """warm_up(): connections before there are callers."""

    async def test_min_idle_is_what_it_dials(self):
        """Without a number."""
        pool = unkept_pool(min_idle=2)

        assert await pool.warm_up() == 2
        assert (pool.stats().idle, pool.stats().acquired, pool.stats().released) == (2, 0, 0)

    async def test_pool_that_waits_for_nobody_is_warmed_up_all_the_same(self):
        """timeout=0 is for callers."""
        assert await unkept_pool(timeout=0).warm_up(2) == 2

    async def test_those_that_idle_already_count(self):
        """`count` is how many there are at the end."""
        pool = unkept_pool()
        await leave_idle(pool, 2)

        assert await pool.warm_up(3) == 3
        assert pool.stats().created == 3

    async def test_more_than_max_connections_cannot_be(self):
        """An impossible number is an error, before anything is dialled."""
        pool = unkept_pool(2)
        with pytest.raises(ConfigError, match="3 is more than max_connections, which is 2"):
            await pool.warm_up(3)

        assert pool.stats().created == 0

    async def test_more_than_max_idle_cannot_be(self):
        """They would be closed as soon as they are made, and dialled again."""
        pool = unkept_pool(4, max_idle=1)
        with pytest.raises(ConfigError, match="2 is more than max_idle, which is 1"):
            await pool.warm_up(2)

        assert pool.stats().created == 0

    @pytest.mark.parametrize(
        ("error", "raised"),
        [
            (redis.ConnectionError("refused"), PoolUnavailableError),
            (redis.AuthenticationError("WRONGPASS"), redis.AuthenticationError),
            (KeyboardInterrupt(), KeyboardInterrupt),
        ],
    )
    async def test_failed_dial_is_told_and_costs_no_slot(self, error, raised):
        """A wrong address or password is known before the first request."""
        pool = unkept_pool(script=[lambda: None, error])
        with pytest.raises(raised):
            await pool.warm_up(3)

        assert pool.stats().idle == 1
        await assert_whole(pool)

    async def test_open_circuit_is_told_at_once(self):
        """It is not dialled in vain."""
        pool = unkept_pool(script=[redis.ConnectionError("refused")] * 3)
        for _ in range(3):
            with pytest.raises(PoolUnavailableError, match="the dial failed"):
                await pool.warm_up(1)
        pool._ledger.circuit.next_probe = time.monotonic() + 60
        with pytest.raises(PoolUnavailableError, match="not dialled again yet"):
            await pool.warm_up(1)

    async def test_timeout_ends_it(self, clock):
        """It returns how far it came; the dial that was begun is finished."""
        pool = unkept_pool(script=[lambda: clock.advance(11)])

        assert await pool.warm_up(4, timeout=10) == 1
        await assert_whole(pool)

    async def test_closed_pool_is_told(self):
        """Nothing is dialled for a pool that is closed."""
        pool = unkept_pool()
        await pool.close()
        with pytest.raises(PoolClosedError):
            await pool.warm_up(1)

    async def test_those_who_wait_come_first(self):
        """What it dials goes to a caller in the queue, not on the shelf."""
        gate = asyncio.Event()
        pool = unkept_pool(1, script=[gate.wait])
        warming = start(pool.warm_up(1))
        await wait_until(lambda: pool.stats().connecting == 1)
        caller = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        gate.set()

        assert await warming == 0
        await pool.release(await caller)
        await assert_whole(pool)

    async def test_parents_connections_do_not_count_in_a_child(self):
        """A fork without hooks (uWSGI's) is noticed: the child dials its own."""
        pool = unkept_pool()
        parents = await leave_idle(pool, 2)
        pretend_to_be_the_child(pool)

        assert await pool.warm_up(1) == 1
        assert pool.stats().created == 1
        assert await pool.get_connection() not in parents

    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
    async def test_child_warms_up_for_itself(self, url):
        """After a server's fork: no socket is the parent's."""
        async with AsyncRedisPool.from_url(url, min_idle=2, housekeeping_interval=None) as pool:
            await pool.warm_up()
            async with pool.lease() as client:
                parents = {int(each["id"]) for each in await client.client_list()}

            async def warm_up() -> None:
                assert await pool.warm_up() == 2
                async with pool.lease() as client:
                    assert await client.client_id() not in parents

            in_child(lambda: asyncio.run(warm_up()))
            async with pool.lease() as client:
                assert await client.client_id() in parents

    async def test_real_server_is_connected_to(self, url, admin):
        """So many of its clients are there; those that others have closed may linger."""
        async with AsyncRedisPool.from_url(url, min_idle=3, client_name="warm") as pool:
            assert await pool.warm_up() == 3
            assert sum(one["name"] == "warm" for one in admin.client_list()) == 3
