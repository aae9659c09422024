"""What the log says before the circuit opens: a server that was never reached is named at once."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator

import pytest
import redis

from redis_pool_ext import PoolUnavailableError, RedisPool, configure, get_async_redis
from redis_pool_ext.books.circuit import BACKOFF_CAP, FAILURES_TO_OPEN

from ..support.clock_ahead import Clock
from ..support.stub import StubConnection

DOWN = redis.ConnectionError("refused")
WORD = "a dial did not reach Redis"


@pytest.fixture(autouse=True)
def _second(clock: Clock) -> None:
    """All of a test happens in one second, but for what it says itself."""
    clock.stop()


@pytest.fixture
def nobody_there() -> Iterator[str]:
    """An address, with a password in it, where connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        yield f"redis://someone:s3cret@127.0.0.1:{taken.getsockname()[1]}/0"


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert {record.levelno for record in caplog.records} <= {logging.WARNING}
    return [record.getMessage() for record in caplog.records]


def ask(pool: RedisPool, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(PoolUnavailableError):
            pool.get_connection()


def test_first_dial_in_vain_is_named_at_once(caplog):
    """Whoever has forgotten to start Redis need not ask three times."""
    ask(RedisPool(StubConnection, script=[DOWN]))

    assert said(caplog) == [f"default: {WORD}: refused"]


def test_it_is_said_once_a_second_until_the_circuit_opens(caplog):
    """Then the circuit says what it has to say, once."""
    pool = RedisPool(StubConnection, script=[DOWN] * FAILURES_TO_OPEN, housekeeping_interval=None)
    ask(pool, FAILURES_TO_OPEN - 1)
    assert len(said(caplog)) == 1

    ask(pool)
    ask(pool)
    assert [WORD in line for line in said(caplog)] == [True, False]


def test_probes_of_an_open_circuit_are_not_told(clock, caplog):
    """It has said that they are made."""
    script = [DOWN] * (FAILURES_TO_OPEN + 1)
    pool = RedisPool(StubConnection, script=script, housekeeping_interval=None)
    ask(pool, FAILURES_TO_OPEN)
    caplog.clear()
    clock.advance(BACKOFF_CAP)
    ask(pool)

    assert script == []
    assert said(caplog) == []


def test_it_is_said_again_when_a_second_has_passed(clock, caplog):
    """The server is still not there."""
    pool = RedisPool(StubConnection, script=[DOWN] * 2)
    ask(pool)
    clock.advance(1.0)
    ask(pool)

    assert [WORD in line for line in said(caplog)] == [True, True]


def test_pool_that_has_reached_its_server_waits_for_the_circuit(caplog):
    """One dial that fails is not an outage; the circuit says when there is one."""
    pool = RedisPool(StubConnection, script=[lambda: None, DOWN, DOWN])
    held = pool.get_connection()
    ask(pool, 2)
    pool.release(held)

    assert said(caplog) == []


def test_server_that_refuses_us_was_reached(caplog):
    """The caller has the server's own answer, as an error."""
    pool = RedisPool(StubConnection, script=[redis.AuthenticationError("no")])
    with pytest.raises(redis.AuthenticationError):
        pool.get_connection()

    assert said(caplog) == []


def test_pools_of_other_names_have_a_word_of_their_own(caplog):
    """They may be of other servers."""
    for alias in ("a", "b"):
        ask(RedisPool(StubConnection, alias=alias, script=[DOWN]))

    assert said(caplog) == [f"a: {WORD}: refused", f"b: {WORD}: refused"]


def test_loops_that_end_with_their_request_say_it_once_a_second(nobody_there, caplog):
    """An async view under WSGI: its pool is gone before a circuit could open."""
    configure({"default": nobody_there})

    async def view() -> None:
        with pytest.raises(PoolUnavailableError):
            await get_async_redis().ping()

    for _ in range(FAILURES_TO_OPEN):
        asyncio.run(view())

    [line] = said(caplog)
    assert line.startswith(f"default: {WORD}: Error 111 connecting to 127.0.0.1:")
    assert "s3cret" not in line
