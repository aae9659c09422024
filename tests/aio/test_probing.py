"""Who looks for a server that is down, in an event loop: the rounds of the pool's own timer."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
import redis

from redis_pool_ext import AsyncRedisPool, PoolUnavailableError
from redis_pool_ext.books.circuit import FAILURES_TO_OPEN

from .stub import StubAsyncConnection
from .tasks import start, wait_until

DOWN = redis.ConnectionError("refused")


async def down(*, script: list[Any] | None = None, **settings: Any) -> AsyncRedisPool:
    """Return a pool whose circuit has just opened."""
    dials = [DOWN] * FAILURES_TO_OPEN + (script or [])
    pool = AsyncRedisPool(StubAsyncConnection, 2, 5.0, script=dials, **settings)
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(PoolUnavailableError):
            await pool.get_connection()
    return pool


@pytest.mark.parametrize(("interval", "is_promised"), [(30.0, True), (None, False)])
async def test_probe_is_promised_where_rounds_are_made(interval, is_promised, monkeypatch):
    """Without them the first caller after the backoff is the prober, as ever."""
    monkeypatch.setattr(random, "uniform", lambda _low, high: high * 36_000)
    pool = await down(housekeeping_interval=interval)

    assert pool._ledger.circuit.is_promised is is_promised


async def test_rounds_dial_until_the_server_is_there():
    """Nobody asks the pool for anything meanwhile; then they are as seldom as before."""
    pool = await down(script=[DOWN, DOWN])

    await wait_until(lambda: pool.stats().idle == 1)
    stats = pool.stats()
    assert (stats.create_failures, stats.created) == (FAILURES_TO_OPEN + 2, 1)
    assert (stats.circuit, stats.unavailable) == ("closed", FAILURES_TO_OPEN)
    await wait_until(lambda: pool._round is None)
    assert pool._next_round is not None
    assert pool._next_round.when() - asyncio.get_running_loop().time() > 20


async def test_round_without_a_timer_probes_too():
    """`keep_house()` of a task of one's own."""
    pool = await down(housekeeping_interval=None)
    pool._ledger.circuit.next_probe = 0.0
    await pool.keep_house()

    assert pool.stats().circuit == "closed"


async def test_rounds_wait_for_a_caller_who_probes():
    """They look again in a while, and not at each turn of the loop."""
    gate = asyncio.Event()
    pool = await down(script=[gate.wait], housekeeping_interval=None)
    circuit = pool._ledger.circuit
    circuit.next_probe = 0.0
    prober = start(pool.get_connection())
    await wait_until(lambda: circuit.state == "probing")
    pool.housekeeping_interval, circuit.is_promised = 30.0, True
    await pool._go_round(asyncio.get_running_loop())

    assert pool._next_round is not None
    assert 0.1 < pool._next_round.when() - asyncio.get_running_loop().time() < 20
    gate.set()
    pool.take_back(await prober)
    assert circuit.state == "closed"
