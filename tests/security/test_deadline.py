"""S4 under TLS: whatever the server does in a handshake, a dial ends within the timeout."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from redis_pool_ext import (
    AsyncRedisPool,
    ConnectionPoolTimeoutError,
    PoolTLSError,
    PoolUnavailableError,
    RedisPool,
)
from redis_pool_ext.embedded import EmbeddedRedis

from ..support.certificates import authority_file
from ..support.clock import Metronome
from ..support.proxy import FaultyProxy, Then
from ..support.tls import TLSFront
from .sides import Side

TIMEOUT = 0.4  # seconds
IN_HELLO = 100  # bytes: within the server's first flight, which is about 900

REFUSALS = (PoolUnavailableError, ConnectionPoolTimeoutError)


class Line(NamedTuple):
    """client -> outer -> TLS -> inner -> redis-server; each of the two proxies may misbehave."""

    url: str
    outer: FaultyProxy
    inner: FaultyProxy


@pytest.fixture
def line(redis_server: EmbeddedRedis) -> Iterator[Line]:
    with ExitStack() as stack:
        inner = stack.enter_context(FaultyProxy(redis_server.port))
        outer = stack.enter_context(FaultyProxy(stack.enter_context(TLSFront(inner.port))))
        url = f"rediss://localhost:{outer.port}/0?ssl_ca_certs={authority_file()}"
        yield Line(url, outer, inner)


Fault = Callable[[Line], None]

STALLS: dict[str, Fault] = {
    "no ServerHello": lambda line: line.outer.swallow(),
    "half a ServerHello": lambda line: line.outer.break_off(IN_HELLO, Then.SILENCE),
    "byte by byte": lambda line: line.outer.drip(0.05),
    "silence after TLS": lambda line: line.inner.swallow(),
    "byte by byte after TLS": lambda line: line.inner.drip(0.05),
}

ENDS: dict[str, Fault] = {
    "closed before ServerHello": lambda line: line.outer.hang_up(reset=False),
    "reset before ServerHello": lambda line: line.outer.hang_up(reset=True),
    "closed in ServerHello": lambda line: line.outer.break_off(IN_HELLO, Then.CLOSE),
    "reset in ServerHello": lambda line: line.outer.break_off(IN_HELLO, Then.RESET),
    "closed after TLS": lambda line: line.inner.hang_up(reset=False),
}


@pytest.mark.parametrize("stall", STALLS)
def test_stalled_dial_ends_in_time(line: Line, stall: str):
    """Threads: the TLS handshake is cut to the deadline, as the rest of it; the slot is free."""
    STALLS[stall](line)
    with Metronome() as metronome, RedisPool.from_url(line.url, timeout=TIMEOUT) as pool:
        with metronome.bounded(TIMEOUT), pytest.raises(REFUSALS):
            pool.client.ping()
        assert (pool.stats().in_use, pool.stats().connecting) == (0, 0)
        line.outer.resume()
        line.inner.resume()
        pool.timeout = 10.0
        assert pool.client.ping()


@pytest.mark.parametrize("stall", STALLS)
def test_stalled_dial_of_a_task_ends_in_time(line: Line, stall: str):
    """Tasks: likewise."""
    STALLS[stall](line)

    async def dialling() -> None:
        async with AsyncRedisPool.from_url(line.url, timeout=TIMEOUT) as pool:
            with metronome.bounded(TIMEOUT), pytest.raises(REFUSALS):
                await pool.client.ping()
            assert (pool.stats().in_use, pool.stats().connecting) == (0, 0)
            line.outer.resume()
            line.inner.resume()
            pool.timeout = 10.0
            assert await pool.client.ping()

    with Metronome() as metronome:
        asyncio.run(dialling())


@pytest.mark.parametrize("stall", ["no ServerHello", "half a ServerHello", "byte by byte"])
def test_stall_before_tls_stands_is_told_as_that(line: Line, side: Side, stall: str):
    """The port may speak no TLS at all: a plain redis-server waits for the end of a line."""
    STALLS[stall](line)
    told = side.refused(line.url, timeout=1)

    assert isinstance(told.error, PoolUnavailableError)
    assert "the TLS handshake was not over in time" in str(told.error)
    assert "speaks TLS on this port" in str(told.error)


@pytest.mark.parametrize("end", ENDS)
def test_connection_that_ends_in_the_handshake_is_told_at_once(line: Line, side: Side, end: str):
    """It is an outage, and the error asks about TLS as well."""
    ENDS[end](line)
    told = side.refused(line.url, timeout=10)

    assert type(told.error) is PoolUnavailableError
    assert "ssl_certfile and ssl_keyfile" in str(told.error) or "speaks TLS" in str(told.error)
    assert (told.stats.in_use, told.stats.connecting) == (0, 0)


def test_garbage_is_no_tls(line: Line, side: Side):
    """A web server's answer, say."""
    line.outer.garble()
    told = side.refused(line.url, timeout=10)

    assert type(told.error) is PoolTLSError
    assert "use redis://" in str(told.error)
