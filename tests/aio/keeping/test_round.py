"""What one round of an event loop does, and how old and how many the idle ones may be.

The twin of tests/keeping/test_round.py: the same promises under the same names.
"""

from __future__ import annotations

import random
import time

import redis

from ..pools import assert_whole, leave_idle, unkept_pool
from ..tasks import start, wait_until


class TestRound:
    """keep_house(): what one round does."""

    async def test_connection_that_idles_too_long_is_closed(self, clock):
        """A quiet pool gives the server its connections back."""
        pool = unkept_pool(idle_timeout=300)
        await leave_idle(pool, 3)
        clock.advance(299)
        await pool.keep_house()
        assert pool.stats().idle == 3
        clock.advance(2)
        await pool.keep_house()

        assert (pool.stats().idle, pool.stats().discarded) == (0, {"idle": 3})
        await assert_whole(pool)

    async def test_connection_in_use_is_not_closed_for_its_age(self, clock):
        """However old: it is somebody's."""
        pool = unkept_pool(idle_timeout=300, max_lifetime=300)
        kept = await pool.get_connection()
        clock.advance(301)
        await pool.keep_house()

        assert kept.is_connected
        assert pool.stats().in_use == 1
        await pool.release(kept)

    async def test_connection_past_its_life_is_closed(self, clock):
        """Also one that is in use often, as it comes to idle."""
        pool = unkept_pool(max_lifetime=1800, idle_timeout=None)
        await leave_idle(pool, 2)
        clock.advance(1349)  # three quarters are certain
        await pool.keep_house()
        assert pool.stats().idle == 2
        clock.advance(452)
        await pool.keep_house()

        assert (pool.stats().idle, pool.stats().discarded) == (0, {"expired": 2})

    async def test_connections_made_together_do_not_go_together(self, clock):
        """Each life is cut by its own part of a quarter."""
        random.seed(1)
        pool = unkept_pool(40, max_lifetime=1000, idle_timeout=None)
        await leave_idle(pool, 40)
        clock.advance(875)
        await pool.keep_house()

        assert 5 < pool.stats().idle < 35

    async def test_no_limits_keep_a_connection_for_ever(self, clock):
        """None is no limit."""
        pool = unkept_pool(max_lifetime=None, idle_timeout=None, validate_after=None)
        [connection] = await leave_idle(pool, 1)
        clock.advance(10**7)
        await pool.keep_house()

        assert await pool.get_connection() is connection
        await pool.release(connection)
        assert pool.stats().discarded == {}

    async def test_round_fills_up_to_min_idle(self):
        """So many are ready beside those in use."""
        pool = unkept_pool(5, min_idle=2)
        kept = [await pool.get_connection() for _ in range(2)]
        await pool.keep_house()

        assert (pool.stats().idle, pool.stats().in_use) == (2, 2)
        for connection in kept:
            await pool.release(connection)
        assert pool.stats().idle == 4

    async def test_round_fills_no_further_than_max_connections(self):
        """Those in use count."""
        pool = unkept_pool(3, min_idle=2)
        kept = [await pool.get_connection() for _ in range(2)]
        await pool.keep_house()

        assert (pool.stats().idle, pool.stats().in_use, pool.stats().created) == (1, 2, 3)
        for connection in kept:
            await pool.release(connection)

    async def test_expired_one_is_replaced_in_the_same_round(self, clock):
        """`min_idle` keeps no connection past its life, and there are as many as before."""
        pool = unkept_pool(min_idle=2, max_lifetime=100, idle_timeout=None)
        await pool.keep_house()
        clock.advance(101)
        await pool.keep_house()
        stats = pool.stats()

        assert (stats.idle, stats.created, stats.discarded) == (2, 4, {"expired": 2})

    async def test_quiet_pool_has_good_ones_ready(self, clock):
        """What `min_idle` keeps is lent, after any length of silence, and not dialled for."""
        pool = unkept_pool(min_idle=2, idle_timeout=300)
        await pool.keep_house()
        for _ in range(30):
            clock.advance(30)
            await pool.keep_house()
        dialled = pool.stats().created
        await pool.release(await pool.get_connection())

        assert pool.stats().created == dialled
        assert "stale" not in pool.stats().discarded

    async def test_pool_that_waits_for_nobody_is_filled_all_the_same(self):
        """timeout=0 is for callers; above all they need what is ready."""
        pool = unkept_pool(timeout=0, min_idle=2)
        await pool.keep_house()

        assert pool.stats().idle == 2

    async def test_unreachable_server_is_left_to_the_next_round(self):
        """Nobody is there to be told: the round goes on, and no slot is lost."""
        pool = unkept_pool(min_idle=2, script=[redis.ConnectionError("refused")])
        await pool.keep_house()
        assert pool.stats().idle == 0
        await pool.keep_house()

        assert pool.stats().idle == 2
        await assert_whole(pool)

    async def test_round_does_not_dial_while_the_circuit_is_open(self):
        """The next probe is due when it is due."""
        pool = unkept_pool(min_idle=1, script=[redis.ConnectionError("refused")] * 3)
        for _ in range(3):
            await pool.keep_house()
        pool._ledger.circuit.next_probe = time.monotonic() + 60
        await pool.keep_house()

        assert pool.stats().create_failures == 3
        assert pool.stats().created == 0

    async def test_round_on_a_closed_pool_does_nothing(self):
        """Closed is for good."""
        pool = unkept_pool(min_idle=2)
        await pool.close()
        await pool.keep_house()

        assert pool.stats().created == 0

    async def test_round_in_a_pause_dials_nothing(self):
        """Not even what `min_idle` asks for."""
        pool = unkept_pool(min_idle=2)
        pool.pause()
        await pool.keep_house()
        assert pool.stats().created == 0
        pool.resume()
        await pool.keep_house()

        assert pool.stats().idle == 2

    async def test_round_picks_up_what_was_dropped(self):
        """A connection that nobody gave back is found without a caller."""
        pool = unkept_pool()
        await pool.get_connection()
        await pool.keep_house()

        assert pool._ledger.stats().discarded == {"lost": 1}  # stats() itself would look, too


class TestNotLent:
    """What is too old is not lent, also where nobody keeps house."""

    async def test_expired_one_is_renewed(self, clock):
        """The caller gets a new one."""
        pool = unkept_pool(max_lifetime=1800, idle_timeout=None)
        [old] = await leave_idle(pool, 1)
        clock.advance(1801)
        fresh = await pool.get_connection()

        assert fresh is not old
        assert not old.is_connected
        assert pool.stats().discarded == {"stale": 1}
        await pool.release(fresh)

    async def test_one_that_idled_too_long_is_renewed(self, clock):
        """A firewall on the way has forgotten it, most likely."""
        pool = unkept_pool(idle_timeout=300)
        [old] = await leave_idle(pool, 1)
        clock.advance(301)
        fresh = await pool.get_connection()

        assert fresh is not old
        await pool.release(fresh)

    async def test_expired_one_is_closed_as_it_comes_back(self, clock):
        """A busy pool renews its connections, too."""
        pool = unkept_pool(max_lifetime=1800)
        connection = await pool.get_connection()
        clock.advance(1801)
        await pool.release(connection)

        assert not connection.is_connected
        assert pool.stats().discarded == {"expired": 1}
        await assert_whole(pool)

    async def test_reconnect_begins_a_new_life(self, clock):
        """What counts is the age of the socket."""
        pool = unkept_pool(max_lifetime=100)
        connection = await pool.get_connection()
        clock.advance(101)
        await connection.disconnect()
        await connection.connect()
        await pool.release(connection)

        assert pool.stats().idle == 1


class TestMaxIdle:
    """How many may idle."""

    async def test_surplus_is_closed_as_it_comes_back(self):
        """The first ones stay."""
        pool = unkept_pool(4, max_idle=2)
        await leave_idle(pool, 4)

        assert (pool.stats().idle, pool.stats().discarded) == (2, {"surplus": 2})
        await assert_whole(pool)

    async def test_who_waits_gets_it_all_the_same(self):
        """It does not idle if somebody wants it."""
        pool = unkept_pool(1, max_idle=0)
        kept = await pool.get_connection()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        await pool.release(kept)

        assert await waiter is kept
        await pool.release(kept)
        assert (pool.stats().idle, pool.stats().created) == (0, 1)
