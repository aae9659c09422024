"""pause() and resume(): nothing is lent for a while."""

from __future__ import annotations

import threading

import pytest

from redis_pool_ext import ConnectionPoolTimeoutError, PoolClosedError, RedisPool

from ..support.forks import in_child
from ..support.pools import leave_idle, unkept_pool
from ..support.threads import spawn, wait_until


class TestPause:
    """pause() and resume()."""

    def test_caller_waits_its_timeout_and_is_told(self):
        """Although one idles; the message says what would help."""
        pool = unkept_pool(2, timeout=0.05)
        leave_idle(pool, 1)
        pool.pause()
        with pytest.raises(ConnectionPoolTimeoutError, match=r"the pool is paused: resume\(\)"):
            pool.get_connection()

        assert pool.stats().is_paused
        assert (pool.stats().idle, pool.stats().created, pool.stats().timed_out) == (1, 1, 1)

    def test_resume_serves_in_order_of_arrival(self):
        """First those who have waited."""
        pool = unkept_pool(1)
        pool.pause()
        served: list[int] = []

        def borrow(number: int) -> None:
            connection = pool.get_connection()
            served.append(number)
            pool.release(connection)

        callers = []
        for number in range(4):
            callers.append(spawn(borrow, number))
            wait_until(lambda n=number: pool.stats().waiting == n + 1)
        pool.resume()
        for caller in callers:
            caller.result()

        assert served == [0, 1, 2, 3]
        assert not pool.stats().is_paused

    def test_who_holds_a_connection_goes_on(self, url):
        """Also when its socket drops: it dials again."""
        with RedisPool.from_url(url) as pool, pool.lease() as client:
            client.ping()
            pool.pause()
            assert client.ping()
            client.connection_pool.held[0].disconnect()
            assert client.ping()
            assert pool.stats().created == 2

    def test_what_comes_back_in_a_pause_is_kept_for_later(self):
        """It idles, although somebody waits."""
        pool = unkept_pool(1)
        held = pool.get_connection()
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        pool.pause()
        pool.release(held)
        assert (pool.stats().idle, pool.stats().waiting) == (1, 1)
        pool.resume()

        assert waiter.result() is held
        pool.release(held)

    def test_slot_that_comes_free_in_a_pause_is_dialled_later(self):
        """A dirty return frees a slot; nobody dials in it before the end of the pause."""
        pool = unkept_pool(1)
        held = pool.get_connection()
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        pool.pause()
        held.disconnect()
        pool.release(held)
        assert (pool.stats().connecting, pool.stats().waiting) == (0, 1)
        pool.resume()

        pool.release(waiter.result())

    def test_dial_under_way_at_the_pause_is_kept_for_later(self):
        """Its caller goes back to its place in the queue; nothing is lent in a pause."""
        began, go_on = threading.Event(), threading.Event()

        def dial():
            began.set()
            go_on.wait(20)

        pool = unkept_pool(1, script=[dial])
        caller = spawn(pool.get_connection)
        began.wait(20)
        pool.pause()
        go_on.set()
        wait_until(lambda: pool.stats().waiting == 1)
        assert (pool.stats().idle, pool.stats().in_use, pool.stats().acquired) == (1, 0, 0)
        pool.resume()

        pool.release(caller.result())
        assert (pool.stats().created, pool.stats().acquired) == (1, 1)

    def test_what_comes_back_in_a_pause_is_no_more_than_may_idle(self):
        """Those who wait cannot have it before the end of the pause."""
        pool = unkept_pool(2, max_idle=1)
        held = [pool.get_connection(), pool.get_connection()]
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        pool.pause()
        for connection in held:
            pool.release(connection)
        assert (pool.stats().idle, dict(pool.stats().discarded)) == (1, {"surplus": 1})
        pool.resume()

        pool.release(waiter.result())

    def test_pause_lasts_in_a_forked_child(self):
        """The server is being replaced for the child, too."""
        pool = unkept_pool(1, timeout=0.0)
        pool.pause()

        def child():
            assert pool.stats().is_paused
            with pytest.raises(ConnectionPoolTimeoutError, match="paused"):
                pool.get_connection()

        in_child(child)

    def test_pause_that_is_closed_sends_waiters_away(self):
        """At once."""
        pool = unkept_pool(1)
        pool.pause()
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        pool.close()

        with pytest.raises(PoolClosedError):
            waiter.result()
