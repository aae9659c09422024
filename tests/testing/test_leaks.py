"""`assert_no_leaked_leases`: who has taken a connection has given it back."""

from __future__ import annotations

import threading
import time

import pytest

from redis_pool_ext import get_pool
from redis_pool_ext.testing import assert_no_leaked_leases, exhausted_pool, leaks

from ..support.threads import spawn


def test_lease_that_is_not_ended_fails_the_test(caller):
    """The message says whose it is, where it was taken, and what it did last."""
    with pytest.raises(AssertionError) as told, assert_no_leaked_leases(within=0):
        give_back = caller.keep("a forgetful one")
    give_back()

    assert 'pool "default": a forgetful one for ' in str(told.value)
    assert "callers.py:" in str(told.value)
    assert "(last command: PING)" in str(told.value)


def test_lease_that_was_ended_does_not(caller):
    """Whatever was done on it."""
    with assert_no_leaked_leases(), caller.lease() as ask:
        ask("INCR", "n")


def test_what_was_out_before_is_not_its_business(caller):
    """A fixture may hold a lease around the test."""
    with caller.lease(), assert_no_leaked_leases(within=0):
        caller.ask("PING")


def test_connection_of_redis_pys_own_counts(pools):
    """It was taken with `get_connection`, and has no holder."""
    pool = get_pool()
    with (
        pytest.raises(AssertionError, match="a borrower without a name"),
        assert_no_leaked_leases(within=0),
    ):
        connection = pool.get_connection()
    pool.release(connection)


def test_lease_that_was_dropped_is_given_back(pools):
    """Also one in a cycle: it is collected before anybody is blamed."""
    with assert_no_leaked_leases(within=0):
        lease = get_pool().lease()
        lease.client().ping()
        lease.itself = lease
        del lease


def test_connection_that_comes_back_a_moment_later_is_waited_for(pools, monkeypatch):
    """From another thread, a live server's say."""
    has_it, may_end, sleep = threading.Event(), threading.Event(), time.sleep

    def hold() -> None:
        with get_pool().lease() as client:
            client.ping()
            has_it.set()
            may_end.wait(30)

    def pause(seconds: float) -> None:
        may_end.set()
        sleep(seconds)

    monkeypatch.setattr(leaks.time, "sleep", pause)
    with assert_no_leaked_leases(within=30):
        holder = spawn(hold)
        has_it.wait(30)
    holder.result()


def test_error_of_the_test_is_not_hidden(pools):
    """It is told, and not what it left behind."""
    with pytest.raises(ZeroDivisionError), assert_no_leaked_leases(within=0):
        lease = get_pool().lease()
        lease.client().ping()
        raise ZeroDivisionError
    lease.end()


def test_pools_do_not_look_for_leaks_afterwards(caller):
    """That would cost each borrower a look at its caller."""
    caller.ask("PING")
    with assert_no_leaked_leases():
        pass

    assert caller.pool().leak_detection_threshold is None
    assert not caller.pool()._ledger.lends_with_care


def test_exhausted_pool_leaks_nothing(caller):
    """All that it took is back."""
    with assert_no_leaked_leases(within=0), exhausted_pool():
        pass
