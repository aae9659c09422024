"""close() and disconnect(): who is woken, and who is left alone."""

from __future__ import annotations

import threading

import pytest
import redis

from redis_pool_ext import PoolClosedError

from ..support.pools import stub_pool
from ..support.threads import spawn, wait_until


class TestClosing:
    """close() and disconnect()."""

    def test_close_wakes_every_waiter(self):
        """Nobody waits for a pool that will give nothing any more."""
        pool = stub_pool(1, timeout=30)
        kept = pool.get_connection()
        waiters = [spawn(pool.get_connection) for _ in range(5)]
        wait_until(lambda: pool.stats().waiting == 5)
        pool.close()

        for waiter in waiters:
            with pytest.raises(PoolClosedError):
                waiter.result(timeout=5)
        assert kept.is_connected  # it is in use: closed when it comes back
        pool.release(kept)
        assert not kept.is_connected
        assert pool.stats().in_use == pool.stats().idle == 0

    def test_dial_that_ends_after_close_lends_nothing(self):
        """A pool that was closed meanwhile is closed."""
        gate = threading.Event()
        pool = stub_pool(1, script=[gate.wait])
        caller = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().connecting == 1)
        pool.close()
        gate.set()

        with pytest.raises(PoolClosedError):
            caller.result()
        assert (pool.stats().in_use, pool.stats().closed) == (0, 1)

    def test_closed_pool_refuses(self):
        """After close() every caller is told so."""
        pool = stub_pool()
        pool.close()
        pool.close()

        with pytest.raises(PoolClosedError, match="is closed"):
            pool.get_connection()
        assert pool.stats().closed == 1

    @pytest.mark.parametrize("argument", [True, False])
    def test_disconnect_spares_connections_in_use(self, argument):
        """Idle ones close now, those in use when they come back."""
        pool = stub_pool()
        used, idle = pool.get_connection(), pool.get_connection()
        pool.release(idle)
        pool.disconnect(inuse_connections=argument)

        assert not idle.is_connected
        assert used.is_connected
        pool.release(used)
        assert not used.is_connected
        assert pool.stats().discarded == {"drained": 2}

    def test_client_that_owns_the_pool_does_not_cut_others(self):
        """redis.Redis.from_pool() closes "its" pool; a connection in use stays open."""
        pool = stub_pool()
        used = pool.get_connection()
        redis.Redis.from_pool(pool).close()

        assert used.is_connected

    def test_pool_as_context_manager_closes_itself(self):
        """As redis-py's pools do."""
        with stub_pool() as pool:
            pool.release(pool.get_connection())

        assert pool.is_closed
