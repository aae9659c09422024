"""probe(): whether the server answers, in nobody's place.

The twin of tests/keeping/test_probe.py: the same promises under the same names.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from redis_pool_ext import (
    AsyncRedisPool,
    ConnectionPoolTimeoutError,
    PoolClosedError,
    PoolUnavailableError,
)
from redis_pool_ext.embedded import EmbeddedRedis

from ...support.proxy import FaultyProxy
from ..pools import assert_whole, leave_idle, unkept_pool


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
        pool = unkept_pool(1)
        held = await pool.get_connection()

        assert await pool.probe(20) is False
        assert pool.stats().timed_out == 0
        await pool.release(held)
        await assert_whole(pool)

    async def test_paused_pool_is_not_asked(self):
        """Its idle connections are left alone."""
        pool = unkept_pool()
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
        pool = unkept_pool()
        await pool.close()
        with pytest.raises(PoolClosedError):
            await pool.probe(20)

    async def test_server_is_heard_of_by_what_comes_back(self, clock):
        """For as long as one says, and not after a connection broke."""
        pool = unkept_pool()
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
