"""A server that is down is told apart from a pool that is exhausted."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import pytest
import redis

from redis_pool_ext import PoolUnavailableError, RedisPool

from ..support.pools import stub_pool
from ..support.threads import spawn, wait_until


class TestCircuit:
    """Down is not exhausted."""

    def test_circuit_opens_after_three_failed_dials(self):
        """The fourth caller is told at once, with the last dial's error as the cause."""
        random.seed(1)  # a backoff that is not over before the fourth caller comes
        pool = stub_pool(
            1, script=[redis.ConnectionError("refused")] * 3, housekeeping_interval=None
        )
        for _ in range(3):
            with pytest.raises(PoolUnavailableError, match="the dial failed"):
                pool.get_connection()

        with pytest.raises(PoolUnavailableError, match="not dialled again yet") as caught:
            pool.get_connection()
        assert str(caught.value.__cause__) == "refused"
        assert pool.stats().create_failures == 3
        assert pool.stats().circuit == "open"

    def test_refused_password_closes_the_circuit(self):
        """A server that answers is there: callers are told what it says, not that it is gone."""
        errors = [redis.ConnectionError("refused")] * 3 + [redis.AuthenticationError("WRONGPASS")]
        pool = stub_pool(1, script=errors, housekeeping_interval=None)
        for _ in range(3):
            with pytest.raises(PoolUnavailableError):
                pool.get_connection()
        wait_until(lambda: pool._ledger.circuit.admits(time.monotonic()))
        with pytest.raises(redis.AuthenticationError):
            pool.get_connection()

        assert pool.stats().circuit == "closed"

    def test_open_circuit_sends_waiters_away(self):
        """Those who queue behind failing dials are not left to their timeout."""
        gate = threading.Event()

        def fail() -> None:
            gate.wait()
            raise redis.ConnectionError("refused")

        pool = stub_pool(1, script=[redis.ConnectionError("refused")] * 2 + [fail])
        for _ in range(2):
            with pytest.raises(PoolUnavailableError):
                pool.get_connection()
        callers = [spawn(pool.get_connection) for _ in range(4)]
        wait_until(lambda: pool.stats().waiting == 3)
        gate.set()

        for caller in callers:
            with pytest.raises(PoolUnavailableError):
                caller.result()
        assert pool.stats().waiting == 0

    def test_prober_closes_the_circuit(self):
        """After the backoff one caller dials; when that works everybody may."""
        pool = stub_pool(
            1, script=[redis.ConnectionError("refused")] * 3, housekeeping_interval=None
        )
        for _ in range(3):
            with pytest.raises(PoolUnavailableError):
                pool.get_connection()
        wait_until(lambda: _tries(pool))

        assert pool.stats().circuit == "closed"

    def test_idle_connections_are_served_while_the_circuit_is_open(self):
        """An open circuit stops dials, not connections that are there."""
        script: list[Any] = [lambda: None]
        pool = stub_pool(2, script=script)
        kept = pool.get_connection()
        script += [redis.ConnectionError("refused")] * 3
        for _ in range(3):
            with pytest.raises(PoolUnavailableError):
                pool.get_connection()
        pool.release(kept)

        assert pool.get_connection() is kept


def _tries(pool: RedisPool) -> bool:
    try:
        pool.release(pool.get_connection())
    except PoolUnavailableError:
        return False
    return True
