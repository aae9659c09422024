"""The testing kit's faults on a pool behind Sentinels; its event loop is another thread's."""

from __future__ import annotations

import pytest
import redis

from redis_pool_ext import ConnectionPoolTimeoutError, PoolUnavailableError
from redis_pool_ext.testing import (
    assert_max_redis_commands,
    assert_no_leaked_leases,
    exhausted_pool,
    redis_down,
    slow_redis,
)


@pytest.fixture
def served(constellation, side):
    """The pool in use, and one who has a lease of it."""
    options = {"max_connections": 2, "timeout": 10.0, "socket_timeout": 5.0}
    with side(constellation.url, **options) as served, served.lease() as client:
        client.ping()
        yield served, client


def test_exhausted_pool_refuses_the_next_one(served):
    """And serves it afterwards."""
    served, _ = served
    with exhausted_pool(), served.lease() as other, pytest.raises(ConnectionPoolTimeoutError):
        other.ping()
    with served.lease() as other:
        assert other.ping()


def test_server_is_gone_for_all(served):
    """For who holds a connection, and for who wants one; and back."""
    served, client = served
    with redis_down():
        for _ in range(2):
            with served.lease() as other, pytest.raises(PoolUnavailableError):
                other.ping()
        with pytest.raises(PoolUnavailableError):
            client.ping()
    assert client.ping()


def test_answers_are_late(served):
    """The socket's timeout ends the wait for them."""
    served, client = served
    served.pool.connection_kwargs["socket_timeout"] = 0.01
    with slow_redis(3600.0), served.lease() as other, pytest.raises(redis.TimeoutError):
        other.ping()
    assert client.ping()  # which was dialled with the longer one


def test_commands_are_counted_and_nothing_leaks(served):
    """What a pool asks Sentinels is no command."""
    served, client = served
    with assert_no_leaked_leases(), assert_max_redis_commands(2) as sent:
        client.get("k")
        with served.lease() as other:
            other.get("k")

    assert sent.commands == ["GET k"] * 2
