"""`exhausted_pool`: somebody else has every connection."""

from __future__ import annotations

import pytest

from redis_pool_ext import ConfigError, ConnectionPoolTimeoutError, configure, get_pool
from redis_pool_ext.testing import exhausted_pool

from ..support.threads import spawn, wait_until


def test_exhausted_pool_refuses_the_next_caller_at_once(caller):
    """Though its TIMEOUT is five seconds; and the pool itself says that all are out."""
    caller.ask("PING")

    with exhausted_pool(), pytest.raises(ConnectionPoolTimeoutError, match=r"within 0\.00 s"):
        assert caller.pool().stats().in_use == 2
        caller.ask("PING")


def test_exhausted_pool_is_as_before_afterwards(caller):
    """Its connections, its TIMEOUT, and the places that had no connection."""
    caller.ask("PING")
    with exhausted_pool():
        pass
    stats = caller.pool().stats()

    assert (stats.in_use, stats.idle, stats.created, stats.acquired) == (0, 1, 1, 1)
    assert caller.pool().timeout == 5.0
    with caller.lease() as one, caller.lease() as other:
        assert one("PING")
        assert other("PING")


def test_pool_that_is_made_inside_is_exhausted(caller):
    """A new event loop has a new pool, and a Flask app of the test's own, too."""
    with exhausted_pool(), pytest.raises(ConnectionPoolTimeoutError):
        caller.ask("PING")


def test_exhaustion_needs_no_server(nowhere):
    """Places without a connection are taken in the books."""
    configure({"default": nowhere})
    pool = get_pool()

    with exhausted_pool(), pytest.raises(ConnectionPoolTimeoutError):
        pool.client.ping()
    assert pool.stats().create_failures == 0


def test_other_pools_are_not_exhausted(caller):
    """Only those of this alias."""
    with exhausted_pool():
        assert caller.ask("PING", alias="reports")


def test_holder_goes_on_in_an_exhausted_pool(caller):
    """It has its connection, as those have who came in time."""
    with caller.lease() as ask, exhausted_pool():
        assert ask("PING")


def test_callers_wait_for_the_pools_timeout_where_that_is_asked_for(caller):
    """`timeout=None` leaves it alone."""
    caller.pool().timeout = 0.01

    with (
        exhausted_pool(timeout=None),
        pytest.raises(ConnectionPoolTimeoutError, match=r"within 0\.01 s"),
    ):
        caller.ask("PING")


def test_who_waits_at_the_end_is_served(pools):
    """The places are given back to the queue."""
    pool = get_pool()
    with exhausted_pool(timeout=None):
        waiting = spawn(pool.client.ping)
        wait_until(lambda: pool.stats().waiting == 1)

    assert waiting.result()


def test_log_names_the_holder(caller, caplog):
    """Who reads it knows that it is a test."""
    with exhausted_pool(), pytest.raises(ConnectionPoolTimeoutError):
        caller.ask("PING")

    assert "held by: exhausted_pool() of a test" in caplog.text


def test_impossible_timeout_is_refused():
    """As in a pool's settings."""
    with pytest.raises(ConfigError, match="timeout"), exhausted_pool(timeout=-1):
        pass
