"""The pool of an event loop, on connections without a socket: one is borrowed and comes back.

The twin of tests/pool/test_borrowing.py: the same promises under the same names.
"""

from __future__ import annotations

import time

import pytest
import redis
import redis.asyncio

from redis_pool_ext import (
    AsyncRedisPool,
    ConfigError,
    LeaseError,
    PoolClosedError,
    PoolExhaustedError,
    PoolQueueFullError,
    PoolUnavailableError,
)

from ..pools import stub_pool


class TestBorrowing:
    """get_connection and release."""

    async def test_new_pool_has_no_connection(self):
        """Making a pool connects nothing."""
        stats = stub_pool().stats()

        assert (stats.in_use, stats.idle, stats.connecting, stats.created) == (0, 0, 0, 0)

    async def test_released_connection_is_reused(self):
        """A connection that came back is handed out again."""
        pool = stub_pool()
        first = await pool.get_connection()
        await pool.release(first)

        assert await pool.get_connection() is first
        assert pool.stats().created == 1

    async def test_newest_idle_connection_is_reused_first(self):
        """Surplus connections age at the bottom of the stack."""
        pool = stub_pool()
        one, two = await pool.get_connection(), await pool.get_connection()
        await pool.release(one)
        await pool.release(two)

        assert await pool.get_connection() is two

    async def test_sizes_add_up(self):
        """in_use and idle are what was taken and given back."""
        pool = stub_pool(3)
        kept = [await pool.get_connection() for _ in range(3)]
        await pool.release(kept.pop())
        stats = pool.stats()

        assert (stats.in_use, stats.idle, stats.acquired, stats.released) == (2, 1, 3, 1)

    async def test_second_release_is_refused_and_changes_nothing(self):
        """A double release raises, and the connection stays in the pool once."""
        pool = stub_pool()
        connection = await pool.get_connection()
        await pool.release(connection)

        with pytest.raises(LeaseError, match="released twice"):
            await pool.release(connection)
        stats = pool.stats()
        assert (stats.in_use, stats.idle, stats.double_releases) == (0, 1, 1)

    async def test_foreign_connection_is_refused(self):
        """A connection of another pool, or of no pool, is not taken."""
        pool, other = stub_pool(), stub_pool()

        with pytest.raises(LeaseError, match="is not of the pool"):
            await pool.release(await other.get_connection())
        with pytest.raises(LeaseError, match="is not of the pool"):
            await pool.release(redis.asyncio.Connection())
        assert pool.stats().idle == 0

    async def test_pool_is_true(self):
        """redis-py replaces a false pool by one to localhost."""
        pool = stub_pool()

        assert pool
        assert redis.asyncio.Redis(connection_pool=pool).connection_pool is pool

    async def test_repr_shows_the_numbers_and_no_password(self):
        """What a debugger shows is sizes, not settings."""
        pool = stub_pool(password="hush", username="me")

        assert repr(pool) == '<AsyncRedisPool "default" in_use=0 idle=0 waiting=0 max=2>'

    async def test_impossible_argument_names_itself(self):
        """A pool of no connections is an error at once."""
        with pytest.raises(ConfigError, match=r"max_connections: 0 is too small"):
            stub_pool(0)


class TestBalance:
    """Each request for a connection is counted once, by how it ended."""

    async def test_every_end_is_counted_once(self):
        """Whatever happens to the requests, the totals add up to their number."""
        script = [
            lambda: None,
            redis.ConnectionError("refused"),
            redis.AuthenticationError("WRONGPASS"),
            KeyboardInterrupt(),
        ]
        pool = stub_pool(2, timeout=0.01, script=script, max_waiting=0)
        kept = await pool.get_connection()
        for error in (PoolUnavailableError, redis.AuthenticationError, KeyboardInterrupt):
            with pytest.raises(error):
                await pool.get_connection()
        other = await pool.get_connection()
        with pytest.raises(PoolQueueFullError):
            await pool.get_connection()
        await pool.release(kept)
        await pool.release(other)
        await pool.close()
        with pytest.raises(PoolClosedError):
            await pool.get_connection()
        stats = pool.stats()

        ends = (stats.acquired, stats.unavailable, stats.failed, stats.cancelled)
        assert ends == (2, 1, 1, 1)
        assert (stats.queue_full, stats.closed, stats.timed_out) == (1, 1, 0)
        assert stats.released == 2

    async def test_dead_idle_connection_is_not_counted_as_a_request(self, url):
        """One caller that met a dead connection first is one request."""
        async with AsyncRedisPool.from_url(url) as pool:
            connection = await pool.get_connection()
            await pool.release(connection)
            connection._writer.transport.abort()
            pool._ledger.doubt(time.monotonic())
            await pool.release(await pool.get_connection())
            stats = pool.stats()

        assert (stats.acquired, stats.released, stats.discarded["stale"]) == (2, 2, 1)


class TestReaching:
    """What redis-py asks of a pool."""

    async def test_set_retry_reaches_connections_in_use(self):
        """A new policy holds for all connections of the pool."""
        pool = stub_pool()
        used, idle = await pool.get_connection(), await pool.get_connection()
        await pool.release(idle)
        policy = redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 3)
        pool.set_retry(policy)

        assert used.retry is policy
        assert idle.retry is policy

    async def test_new_credentials_begin_a_new_generation(self):
        """After a token change nothing that was authenticated before is reused."""
        pool = stub_pool()
        used = await pool.get_connection()
        await pool.re_auth_callback(object())
        await pool.release(used)

        assert await pool.get_connection() is not used

    async def test_connection_count_is_by_state(self):
        """The shape that redis-py's telemetry reads."""
        pool = stub_pool(alias="reports")
        kept = await pool.get_connection()
        counts = {a["db.client.connection.state"]: n for n, a in pool.get_connection_count()}

        assert counts == {"idle": 0, "used": 1}
        await pool.release(kept)

    async def test_exhaustion_is_not_a_dead_node(self):
        """The class that redis-py's cluster client knows as the client's own limit."""
        assert issubclass(PoolExhaustedError, redis.exceptions.MaxConnectionsError)
