"""drain(): every connection is renewed."""

from __future__ import annotations

import threading

import pytest

from ..support.pools import assert_whole, leave_idle, unkept_pool
from ..support.threads import spawn, wait_until


class TestDrain:
    """drain(): every connection is renewed."""

    @pytest.mark.parametrize("way", ["drain", "disconnect", "reset"])
    def test_idle_ones_close_now_the_others_as_they_come_back(self, way):
        """Nobody is cut; redis-py's words for it do the same."""
        pool = unkept_pool(2)
        held = pool.get_connection()
        [idle] = leave_idle(pool, 1)
        getattr(pool, way)()
        assert (idle.is_connected, held.is_connected) == (False, True)
        pool.release(held)

        assert not held.is_connected
        assert pool.stats().discarded == {"drained": 2}
        assert_whole(pool)
        assert pool.stats().idle == 2  # the new ones are kept

    def test_who_waits_gets_a_new_one(self):
        """Not the old one that comes back."""
        pool = unkept_pool(1)
        held = pool.get_connection()
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        pool.drain()
        pool.release(held)

        assert waiter.result() is not held
        pool.release(waiter.value)

    def test_dial_under_way_is_of_the_old_generation(self):
        """It may have begun with the old address or password."""
        begun, gate = threading.Event(), threading.Event()
        pool = unkept_pool(1, script=[lambda: (begun.set(), gate.wait())])
        dialling = spawn(pool.get_connection)
        begun.wait(10)
        pool.drain()
        gate.set()
        pool.release(dialling.result())

        assert pool.stats().discarded == {"drained": 1}
