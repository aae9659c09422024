"""Connections of a loop beside their use: kept ready, aged out, fewer, more, and none.

The twin of tests/test_keeping.py: the same promises under the same names.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from redis_pool_ext import (
    AsyncRedisPool,
    ConfigError,
    ConnectionPoolTimeoutError,
    PoolClosedError,
    PoolUnavailableError,
)
from redis_pool_ext.embedded import EmbeddedRedis

from ..support.forks import in_child, pretend_to_be_the_child
from ..support.proxy import FaultyProxy
from .stub import StubAsyncConnection
from .tasks import start, wait_until


def stub_pool(max_connections: int = 4, timeout: float = 20.0, **kwargs: Any) -> AsyncRedisPool:
    """Return a pool without a housekeeper: these tests do the rounds themselves."""
    return AsyncRedisPool(
        StubAsyncConnection, max_connections, timeout, housekeeping_interval=None, **kwargs
    )


async def leave_idle(pool: AsyncRedisPool, count: int) -> list[Any]:
    """Return `count` connections that are idle, the first one for longest."""
    taken = [await pool.get_connection() for _ in range(count)]
    for connection in taken:
        await pool.release(connection)
    return taken


async def assert_whole(pool: AsyncRedisPool) -> None:
    stats = pool.stats()
    assert (stats.in_use, stats.connecting, stats.waiting) == (0, 0, 0)
    taken = [await pool.get_connection() for _ in range(pool.max_connections)]
    for connection in taken:
        await pool.release(connection)


class TestRound:
    """keep_house(): what one round does."""

    async def test_connection_that_idles_too_long_is_closed(self, clock):
        """A quiet pool gives the server its connections back."""
        pool = stub_pool(idle_timeout=300)
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
        pool = stub_pool(idle_timeout=300, max_lifetime=300)
        kept = await pool.get_connection()
        clock.advance(301)
        await pool.keep_house()

        assert kept.is_connected
        assert pool.stats().in_use == 1
        await pool.release(kept)

    async def test_connection_past_its_life_is_closed(self, clock):
        """Also one that is in use often, as it comes to idle."""
        pool = stub_pool(max_lifetime=1800, idle_timeout=None)
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
        pool = stub_pool(40, max_lifetime=1000, idle_timeout=None)
        await leave_idle(pool, 40)
        clock.advance(875)
        await pool.keep_house()

        assert 5 < pool.stats().idle < 35

    async def test_no_limits_keep_a_connection_for_ever(self, clock):
        """None is no limit."""
        pool = stub_pool(max_lifetime=None, idle_timeout=None, validate_after=None)
        [connection] = await leave_idle(pool, 1)
        clock.advance(10**7)
        await pool.keep_house()

        assert await pool.get_connection() is connection
        await pool.release(connection)
        assert pool.stats().discarded == {}

    async def test_round_fills_up_to_min_idle(self):
        """So many are ready beside those in use."""
        pool = stub_pool(5, min_idle=2)
        kept = [await pool.get_connection() for _ in range(2)]
        await pool.keep_house()

        assert (pool.stats().idle, pool.stats().in_use) == (2, 2)
        for connection in kept:
            await pool.release(connection)
        assert pool.stats().idle == 4

    async def test_round_fills_no_further_than_max_connections(self):
        """Those in use count."""
        pool = stub_pool(3, min_idle=2)
        kept = [await pool.get_connection() for _ in range(2)]
        await pool.keep_house()

        assert (pool.stats().idle, pool.stats().in_use, pool.stats().created) == (1, 2, 3)
        for connection in kept:
            await pool.release(connection)

    async def test_expired_one_is_replaced_in_the_same_round(self, clock):
        """`min_idle` keeps no connection past its life, and there are as many as before."""
        pool = stub_pool(min_idle=2, max_lifetime=100, idle_timeout=None)
        await pool.keep_house()
        clock.advance(101)
        await pool.keep_house()
        stats = pool.stats()

        assert (stats.idle, stats.created, stats.discarded) == (2, 4, {"expired": 2})

    async def test_quiet_pool_has_good_ones_ready(self, clock):
        """What `min_idle` keeps is lent, after any length of silence, and not dialled for."""
        pool = stub_pool(min_idle=2, idle_timeout=300)
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
        pool = stub_pool(timeout=0, min_idle=2)
        await pool.keep_house()

        assert pool.stats().idle == 2

    async def test_unreachable_server_is_left_to_the_next_round(self):
        """Nobody is there to be told: the round goes on, and no slot is lost."""
        pool = stub_pool(min_idle=2, script=[redis.ConnectionError("refused")])
        await pool.keep_house()
        assert pool.stats().idle == 0
        await pool.keep_house()

        assert pool.stats().idle == 2
        await assert_whole(pool)

    async def test_round_does_not_dial_while_the_circuit_is_open(self):
        """The next probe is due when it is due."""
        pool = stub_pool(min_idle=1, script=[redis.ConnectionError("refused")] * 3)
        for _ in range(3):
            await pool.keep_house()
        pool._ledger.circuit.next_probe = time.monotonic() + 60
        await pool.keep_house()

        assert pool.stats().create_failures == 3
        assert pool.stats().created == 0

    async def test_round_on_a_closed_pool_does_nothing(self):
        """Closed is for good."""
        pool = stub_pool(min_idle=2)
        await pool.close()
        await pool.keep_house()

        assert pool.stats().created == 0

    async def test_round_in_a_pause_dials_nothing(self):
        """Not even what `min_idle` asks for."""
        pool = stub_pool(min_idle=2)
        pool.pause()
        await pool.keep_house()
        assert pool.stats().created == 0
        pool.resume()
        await pool.keep_house()

        assert pool.stats().idle == 2

    async def test_round_picks_up_what_was_dropped(self):
        """A connection that nobody gave back is found without a caller."""
        pool = stub_pool()
        await pool.get_connection()
        await pool.keep_house()

        assert pool._ledger.stats().discarded == {"lost": 1}  # stats() itself would look, too


class TestNotLent:
    """What is too old is not lent, also where nobody keeps house."""

    async def test_expired_one_is_renewed(self, clock):
        """The caller gets a new one."""
        pool = stub_pool(max_lifetime=1800, idle_timeout=None)
        [old] = await leave_idle(pool, 1)
        clock.advance(1801)
        fresh = await pool.get_connection()

        assert fresh is not old
        assert not old.is_connected
        assert pool.stats().discarded == {"stale": 1}
        await pool.release(fresh)

    async def test_one_that_idled_too_long_is_renewed(self, clock):
        """A firewall on the way has forgotten it, most likely."""
        pool = stub_pool(idle_timeout=300)
        [old] = await leave_idle(pool, 1)
        clock.advance(301)
        fresh = await pool.get_connection()

        assert fresh is not old
        await pool.release(fresh)

    async def test_expired_one_is_closed_as_it_comes_back(self, clock):
        """A busy pool renews its connections, too."""
        pool = stub_pool(max_lifetime=1800)
        connection = await pool.get_connection()
        clock.advance(1801)
        await pool.release(connection)

        assert not connection.is_connected
        assert pool.stats().discarded == {"expired": 1}
        await assert_whole(pool)

    async def test_reconnect_begins_a_new_life(self, clock):
        """What counts is the age of the socket."""
        pool = stub_pool(max_lifetime=100)
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
        pool = stub_pool(4, max_idle=2)
        await leave_idle(pool, 4)

        assert (pool.stats().idle, pool.stats().discarded) == (2, {"surplus": 2})
        await assert_whole(pool)

    async def test_who_waits_gets_it_all_the_same(self):
        """It does not idle if somebody wants it."""
        pool = stub_pool(1, max_idle=0)
        kept = await pool.get_connection()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        await pool.release(kept)

        assert await waiter is kept
        await pool.release(kept)
        assert (pool.stats().idle, pool.stats().created) == (0, 1)


class TestWarmUp:
    """warm_up(): connections before there are callers."""

    async def test_min_idle_is_what_it_dials(self):
        """Without a number."""
        pool = stub_pool(min_idle=2)

        assert await pool.warm_up() == 2
        assert (pool.stats().idle, pool.stats().acquired, pool.stats().released) == (2, 0, 0)

    async def test_pool_that_waits_for_nobody_is_warmed_up_all_the_same(self):
        """timeout=0 is for callers."""
        assert await stub_pool(timeout=0).warm_up(2) == 2

    async def test_those_that_idle_already_count(self):
        """`count` is how many there are at the end."""
        pool = stub_pool()
        await leave_idle(pool, 2)

        assert await pool.warm_up(3) == 3
        assert pool.stats().created == 3

    async def test_more_than_max_connections_cannot_be(self):
        """An impossible number is an error, before anything is dialled."""
        pool = stub_pool(2)
        with pytest.raises(ConfigError, match="3 is more than max_connections, which is 2"):
            await pool.warm_up(3)

        assert pool.stats().created == 0

    async def test_more_than_max_idle_cannot_be(self):
        """They would be closed as soon as they are made, and dialled again."""
        pool = stub_pool(4, max_idle=1)
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
        pool = stub_pool(script=[lambda: None, error])
        with pytest.raises(raised):
            await pool.warm_up(3)

        assert pool.stats().idle == 1
        await assert_whole(pool)

    async def test_open_circuit_is_told_at_once(self):
        """It is not dialled in vain."""
        pool = stub_pool(script=[redis.ConnectionError("refused")] * 3)
        for _ in range(3):
            with pytest.raises(PoolUnavailableError, match="the dial failed"):
                await pool.warm_up(1)
        pool._ledger.circuit.next_probe = time.monotonic() + 60
        with pytest.raises(PoolUnavailableError, match="not dialled again yet"):
            await pool.warm_up(1)

    async def test_timeout_ends_it(self, clock):
        """It returns how far it came; the dial that was begun is finished."""
        pool = stub_pool(script=[lambda: clock.advance(11)])

        assert await pool.warm_up(4, timeout=10) == 1
        await assert_whole(pool)

    async def test_closed_pool_is_told(self):
        """Nothing is dialled for a pool that is closed."""
        pool = stub_pool()
        await pool.close()
        with pytest.raises(PoolClosedError):
            await pool.warm_up(1)

    async def test_those_who_wait_come_first(self):
        """What it dials goes to a caller in the queue, not on the shelf."""
        gate = asyncio.Event()
        pool = stub_pool(1, script=[gate.wait])
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
        pool = stub_pool()
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


class TestResize:
    """resize(): another bound while it runs."""

    async def test_growing_serves_those_who_wait(self):
        """At once, not with the next return."""
        pool = stub_pool(1)
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
        pool = stub_pool(4)
        taken = await leave_idle(pool, 4)
        pool.resize(1)

        assert [connection.is_connected for connection in taken] == [False, False, False, True]
        assert pool.stats().discarded == {"surplus": 3}
        await assert_whole(pool)

    async def test_shrinking_closes_those_in_use_as_they_come_back(self):
        """Nobody is cut."""
        pool = stub_pool(3)
        taken = [await pool.get_connection() for _ in range(3)]
        pool.resize(1)
        assert all(connection.is_connected for connection in taken)
        for connection in taken:
            await pool.release(connection)

        assert (pool.stats().idle, pool.stats().discarded) == (1, {"surplus": 2})
        await assert_whole(pool)

    async def test_who_waits_is_served_below_the_new_bound(self):
        """What comes back above it is closed, although somebody wants it."""
        pool = stub_pool(2)
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
        pool = stub_pool(4)
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
        pool = stub_pool(4, min_idle=2)
        with pytest.raises(ConfigError, match=said):
            pool.resize(size)

        assert pool.max_connections == pool.stats().max_connections == 4


class TestDrain:
    """drain(): every connection is renewed."""

    @pytest.mark.parametrize("way", ["drain", "disconnect", "reset"])
    async def test_idle_ones_close_now_the_others_as_they_come_back(self, way):
        """Nobody is cut; redis-py's words for it do the same."""
        pool = stub_pool(2)
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
        pool = stub_pool(1)
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
        pool = stub_pool(1, script=[gate.wait])
        dialling = start(pool.get_connection())
        await wait_until(lambda: pool.stats().connecting == 1)
        pool.drain()
        gate.set()
        await pool.release(await dialling)

        assert pool.stats().discarded == {"drained": 1}


class TestPause:
    """pause() and resume()."""

    async def test_caller_waits_its_timeout_and_is_told(self):
        """Although one idles; the message says what would help."""
        pool = stub_pool(2, timeout=0.05)
        await leave_idle(pool, 1)
        pool.pause()
        with pytest.raises(ConnectionPoolTimeoutError, match=r"the pool is paused: resume\(\)"):
            await pool.get_connection()

        assert pool.stats().is_paused
        assert (pool.stats().idle, pool.stats().created, pool.stats().timed_out) == (1, 1, 1)

    async def test_resume_serves_in_order_of_arrival(self):
        """First those who have waited."""
        pool = stub_pool(1)
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
        pool = stub_pool(1)
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
        pool = stub_pool(1)
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
        pool = stub_pool(1, script=[go_on.wait])
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
        pool = stub_pool(2, max_idle=1)
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
        pool = stub_pool(1, timeout=0.0)
        pool.pause()

        async def child() -> None:
            assert pool.stats().is_paused
            with pytest.raises(ConnectionPoolTimeoutError, match="paused"):
                await pool.get_connection()

        in_child(lambda: asyncio.run(child()))

    async def test_pause_that_is_closed_sends_waiters_away(self):
        """At once."""
        pool = stub_pool(1)
        pool.pause()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        await pool.close()

        with pytest.raises(PoolClosedError):
            await waiter


class TestClosing:
    """close(timeout): waiting for those who are out."""

    async def test_nothing_out_is_all_back(self):
        """Idle ones close at once."""
        pool = stub_pool()
        taken = await leave_idle(pool, 2)

        assert await pool.close() is True
        assert not any(connection.is_connected for connection in taken)
        assert pool.stats().discarded == {"pool_closed": 2}

    async def test_without_a_timeout_it_only_looks(self):
        """Who is out is not cut, and closes as it comes back."""
        pool = stub_pool()
        held = await pool.get_connection()

        assert await pool.close() is False
        assert held.is_connected
        await pool.release(held)
        assert not held.is_connected
        assert await pool.close() is True

    async def test_it_waits_for_those_who_are_out(self):
        """Until the last one is back."""
        pool = stub_pool()
        one, two = await pool.get_connection(), await pool.get_connection()
        closing = start(pool.close(20))
        await wait_until(lambda: pool.is_closed)
        await pool.release(one)
        assert not closing.done()
        await pool.release(two)

        assert await closing is True

    async def test_it_waits_no_longer_than_its_timeout(self):
        """The one who keeps a connection is not cut then, either."""
        pool = stub_pool()
        held = await pool.get_connection()

        assert await pool.close(timeout=0.05) is False
        assert held.is_connected
        await pool.release(held)

    async def test_it_waits_for_dials_under_way(self):
        """Their callers are told that the pool is closed."""
        gate = asyncio.Event()
        pool = stub_pool(script=[gate.wait])
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
        pool = stub_pool(1)
        held = await pool.get_connection()
        waiter = start(pool.get_connection())
        await wait_until(lambda: pool.stats().waiting == 1)
        closing = start(pool.close(20))
        with pytest.raises(PoolClosedError):
            await waiter
        assert not closing.done()
        await pool.release(held)

        assert await closing is True


def proxied(proxy: FaultyProxy) -> AsyncRedisPool:
    """Return a pool of four without a housekeeper, behind a proxy."""
    return AsyncRedisPool.from_url(
        proxy.url, max_connections=4, timeout=20, housekeeping_interval=None
    )


@pytest.fixture
def proxy(redis_server: EmbeddedRedis) -> Iterator[FaultyProxy]:
    """What stands between the pool and the server."""
    with FaultyProxy(redis_server.port) as proxy:
        yield proxy


class TestProbe:
    """probe(): whether the server answers, in nobody's place."""

    async def test_idle_connection_is_asked_and_stays(self, proxy):
        """It counts as no request, and is no sooner too old."""
        pool = proxied(proxy)
        await leave_idle(pool, 1)
        before = pool.stats()

        assert await pool.probe(20) is True
        after = pool.stats()
        assert (after.idle, after.created, after.acquired) == (1, 1, before.acquired)
        await pool.close()

    async def test_empty_pool_dials_and_keeps_what_it_has_dialled(self, proxy):
        """The first request finds it ready."""
        pool = proxied(proxy)

        assert await pool.probe(20) is True
        stats = pool.stats()
        assert (stats.idle, stats.created, stats.acquired) == (1, 1, 0)
        await pool.close()

    async def test_full_pool_is_not_asked_and_nobody_waits(self):
        """There is nothing to ask on; it does not stand in the queue."""
        pool = stub_pool(1)
        held = await pool.get_connection()

        assert await pool.probe(20) is False
        assert pool.stats().timed_out == 0
        await pool.release(held)
        await assert_whole(pool)

    async def test_paused_pool_is_not_asked(self):
        """Its idle connections are left alone."""
        pool = stub_pool()
        await leave_idle(pool, 1)
        pool.pause()

        assert await pool.probe(20) is False
        assert pool.stats().idle == 1

    async def test_idle_connections_that_are_dead_are_replaced(self, proxy):
        """The server has forgotten them, and is there: one look ends them all."""
        pool = proxied(proxy)
        await leave_idle(pool, 3)
        proxy.forget()

        assert await pool.probe(1) is True
        stats = pool.stats()
        assert (stats.idle, stats.created, stats.discarded) == (1, 4, {"stale": 3})
        await pool.close()

    async def test_server_that_swallows_everything_is_silent_in_time(self, proxy):
        """Neither what idles nor a dial takes longer than there is."""
        pool = proxied(proxy)
        await leave_idle(pool, 2)
        proxy.swallow()
        began = time.monotonic()
        with pytest.raises((PoolUnavailableError, ConnectionPoolTimeoutError)):
            await pool.probe(0.2)

        assert time.monotonic() - began < 2  # of a timeout of 20
        stats = pool.stats()
        assert (stats.in_use, stats.idle, stats.connecting) == (0, 0, 0)
        await pool.close()

    async def test_server_that_refuses_is_told_at_once(self, proxy):
        """With the error of the dial."""
        pool = proxied(proxy)
        proxy.refuse()
        with pytest.raises(PoolUnavailableError):
            await pool.probe(20)
        assert pool.stats().in_use == 0

    async def test_open_circuit_lets_it_probe_when_it_is_time(self, proxy, clock):
        """Where no request comes any more, nobody else would find the server again."""
        pool = proxied(proxy)
        proxy.refuse()
        for _ in range(3):
            with pytest.raises(PoolUnavailableError):
                await pool.probe(20)
        assert pool.stats().circuit == "open"
        proxy.resume()
        clock.advance(10)

        assert await pool.probe(20) is True
        assert pool.stats().circuit == "closed"
        await pool.close()

    async def test_closed_pool_says_so(self):
        """As it does to everybody."""
        pool = stub_pool()
        await pool.close()
        with pytest.raises(PoolClosedError):
            await pool.probe(20)

    async def test_server_is_heard_of_by_what_comes_back(self, clock):
        """For as long as one says, and not after a connection broke."""
        pool = stub_pool()
        assert not pool.heard_within(1)
        await leave_idle(pool, 1)
        assert pool.heard_within(1)
        pool._ledger.doubt(clock() + 0.001)
        assert not pool.heard_within(1)
        clock.advance(0.01)
        await leave_idle(pool, 1)
        assert pool.heard_within(1)
        clock.advance(2)
        assert not pool.heard_within(1)
