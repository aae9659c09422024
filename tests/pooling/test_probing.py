"""Who looks for a server that is down: the housekeeper, or a caller where nobody has promised."""

from __future__ import annotations

import random
import threading
import time

import pytest
import redis

from redis_pool_ext import PoolUnavailableError, RedisPool
from redis_pool_ext.books.circuit import FAILURES_TO_OPEN, HEAD_START, Circuit

from ..support.stub import StubConnection
from ..support.threads import wait_until

DOWN = redis.ConnectionError("refused")
NOW = 1000.0


def down(*, script: list[object] | None = None, **settings: object) -> RedisPool:
    """Return a pool whose circuit has just opened."""
    dials = [DOWN] * FAILURES_TO_OPEN + (script or [])
    pool = RedisPool(StubConnection, 2, 5.0, script=dials, **settings)
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(PoolUnavailableError):
            pool.get_connection()
    return pool


def test_callers_leave_a_promised_probe_to_who_has_promised():
    """For as long as that may take it; then the first of them is the prober."""
    circuit = Circuit()
    for _ in range(FAILURES_TO_OPEN):
        circuit.failed(NOW, DOWN)
    circuit.is_promised = True

    assert circuit.is_due(circuit.next_probe)
    assert not circuit.admits(circuit.next_probe + HEAD_START - 0.01)
    assert circuit.admits(circuit.next_probe + HEAD_START)


def test_promise_is_for_one_probe():
    """Whoever failed has to promise again."""
    circuit = Circuit()
    circuit.is_promised = True
    circuit.failed(NOW, DOWN)

    assert not circuit.is_promised


def test_closed_circuit_admits_whatever_was_promised():
    """The server is there."""
    circuit = Circuit()
    circuit.is_promised = True

    assert circuit.admits(NOW)
    assert not circuit.is_due(NOW)


@pytest.mark.parametrize(("interval", "is_promised"), [(30.0, True), (None, False)])
def test_probe_is_promised_where_a_housekeeper_may_run(interval, is_promised, monkeypatch):
    """Without one the first caller after the backoff is the prober, as ever."""
    monkeypatch.setattr(random, "uniform", lambda _low, high: high * 36_000)
    pool = down(housekeeping_interval=interval)

    assert pool._ledger.circuit.is_promised is is_promised


def test_housekeeper_dials_until_the_server_is_there():
    """Nobody asks the pool for anything meanwhile."""
    threads: list[str] = []

    def note() -> None:
        threads.append(threading.current_thread().name)

    pool = down(script=[DOWN, note])

    wait_until(lambda: pool.stats().idle == 1)
    stats = pool.stats()
    assert threads == ["redis_pool_ext-housekeeper"]
    assert (stats.create_failures, stats.created, stats.idle) == (FAILURES_TO_OPEN + 1, 1, 1)
    assert stats.unavailable == FAILURES_TO_OPEN


def test_round_without_a_thread_probes_too():
    """`keep_house()` of a timer of one's own."""
    pool = down(housekeeping_interval=None)
    pool._ledger.circuit.next_probe = 0.0
    pool.keep_house()

    assert pool.stats().circuit == "closed"


def test_probe_that_is_not_due_is_not_made():
    """A round that comes too early leaves the server alone."""
    pool = down(housekeeping_interval=None)
    pool._ledger.circuit.next_probe = time.monotonic() + 3600
    pool.keep_house()

    assert pool.stats().create_failures == FAILURES_TO_OPEN
    assert pool.stats().circuit == "open"


def test_paused_pool_is_not_probed():
    """Its operator has said that nothing is lent; whoever comes after that is the prober."""
    pool = down(housekeeping_interval=None)
    circuit = pool._ledger.circuit
    circuit.is_promised, circuit.next_probe = True, time.monotonic()
    pool.pause()
    pool.keep_house()
    assert pool.stats().create_failures == FAILURES_TO_OPEN
    assert not circuit.is_promised
    pool.resume()

    assert pool.get_connection()


def test_pool_that_is_closed_during_its_probe_keeps_no_connection():
    """The slot is free, and nothing is idle."""
    pools: list[RedisPool] = []

    def close() -> None:
        pools[0].close()

    pool = down(housekeeping_interval=None, script=[close])
    pools.append(pool)
    pool._ledger.circuit.next_probe = 0.0
    pool.keep_house()

    stats = pool.stats()
    assert (stats.created, stats.idle, stats.in_use, stats.connecting) == (1, 0, 0, 0)


def test_probe_keeps_the_bound():
    """While it dials, it is one of `max_connections`; then it is idle, and counts as no request."""
    sizes: list[tuple[int, int]] = []
    pools: list[RedisPool] = []

    def note() -> None:
        stats = pools[0].stats()
        sizes.append((stats.connecting, stats.in_use))

    pool = down(housekeeping_interval=None, script=[note])
    pools.append(pool)
    pool._ledger.circuit.next_probe = 0.0
    pool.keep_house()

    stats = pool.stats()
    assert sizes == [(1, 0)]
    assert (stats.idle, stats.in_use, stats.acquired, stats.released) == (1, 0, 0, 0)


def test_pool_without_room_lets_its_holders_dial():
    """Those who have a connection that broke are the only ones who can."""
    pool = RedisPool(StubConnection, 1, 5.0, housekeeping_interval=None)
    held = pool.get_connection()
    circuit = pool._ledger.circuit
    for _ in range(FAILURES_TO_OPEN):
        circuit.failed(time.monotonic(), DOWN)
    circuit.is_promised, circuit.next_probe = True, time.monotonic()
    pool.keep_house()

    assert not circuit.is_promised
    held.disconnect()
    pool.reconnect(held)
    assert pool.stats().circuit == "closed"
