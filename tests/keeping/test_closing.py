"""close(timeout): waiting for those who are out."""

from __future__ import annotations

import threading

import pytest

from redis_pool_ext import PoolClosedError

from ..support.pools import leave_idle, unkept_pool
from ..support.threads import spawn, wait_until


class TestClosing:
    """close(timeout): waiting for those who are out."""

    def test_nothing_out_is_all_back(self):
        """Idle ones close at once."""
        pool = unkept_pool()
        taken = leave_idle(pool, 2)

        assert pool.close() is True
        assert not any(connection.is_connected for connection in taken)
        assert pool.stats().discarded == {"pool_closed": 2}

    def test_without_a_timeout_it_only_looks(self):
        """Who is out is not cut, and closes as it comes back."""
        pool = unkept_pool()
        held = pool.get_connection()

        assert pool.close() is False
        assert held.is_connected
        pool.release(held)
        assert not held.is_connected
        assert pool.close() is True

    def test_it_waits_for_those_who_are_out(self):
        """Until the last one is back."""
        pool = unkept_pool()
        one, two = pool.get_connection(), pool.get_connection()
        closing = spawn(pool.close, 20)
        wait_until(lambda: pool.is_closed)
        pool.release(one)
        assert closing.is_alive()
        pool.release(two)

        assert closing.result() is True

    def test_it_waits_no_longer_than_its_timeout(self):
        """The one who keeps a connection is not cut then, either."""
        pool = unkept_pool()
        held = pool.get_connection()

        assert pool.close(timeout=0.05) is False
        assert held.is_connected
        pool.release(held)

    def test_it_waits_for_dials_under_way(self):
        """Their callers are told that the pool is closed."""
        gate = threading.Event()
        pool = unkept_pool(script=[gate.wait])
        dialling = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().connecting == 1)
        assert pool.close() is False
        closing = spawn(pool.close, 20)
        gate.set()

        assert closing.result() is True
        with pytest.raises(PoolClosedError):
            dialling.result()

    def test_waiters_do_not_wait_with_it(self):
        """They fail at once."""
        pool = unkept_pool(1)
        held = pool.get_connection()
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        closing = spawn(pool.close, 20)
        with pytest.raises(PoolClosedError):
            waiter.result()
        assert closing.is_alive()
        pool.release(held)

        assert closing.result() is True
