"""TLS under gevent and uvloop, which have sockets and transports of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from redis_pool_ext.embedded import EmbeddedRedis

from ..support.certificates import authority_file
from ..support.pages import run
from ..support.proxy import FaultyProxy
from ..support.tls import TLSFront

GEVENT = """
import gevent.monkey
gevent.monkey.patch_all()
import gevent, logging, time
from redis_pool_ext import PoolUnavailableError, RedisPool
from redis_pool_ext.pooling.liveness import looks_alive
pool = RedisPool.from_url(URL, max_connections=3, timeout=20)
def work(number):
    for turn in range(20):
        word = f"{number} {turn}".encode()
        with pool.lease() as client:
            assert client.echo(word) == word
gevent.joinall([gevent.spawn(work, number) for number in range(10)], raise_error=True)
assert all(map(looks_alive, pool._ledger.idle))
print(pool.stats().created, pool.stats().discarded)
logging.disable()  # of a dial in vain it tells
began = time.monotonic()
try:
    RedisPool.from_url(DEAF, timeout=0.5).client.ping()
except PoolUnavailableError:
    print(time.monotonic() - began < 5)
"""
UVLOOP = """
import asyncio, logging, time, uvloop
from redis_pool_ext import AsyncRedisPool, PoolUnavailableError
from redis_pool_ext.aio.liveness import is_alive
async def work(pool, number):
    for turn in range(20):
        word = f"{number} {turn}".encode()
        async with pool.lease() as client:
            assert await client.echo(word) == word
async def main():
    async with AsyncRedisPool.from_url(URL, max_connections=3, timeout=20) as pool:
        await asyncio.gather(*(work(pool, number) for number in range(10)))
        assert all([await is_alive(connection) for connection in pool._ledger.idle])
        print(pool.stats().created, pool.stats().discarded)
    logging.disable()  # of a dial in vain it tells
    began = time.monotonic()
    async with AsyncRedisPool.from_url(DEAF, timeout=0.5) as pool:
        try:
            await pool.client.ping()
        except PoolUnavailableError:
            print(time.monotonic() - began < 5)
uvloop.run(main())
"""


@pytest.fixture
def addresses(redis_server: EmbeddedRedis) -> Iterator[str]:
    """A server with TLS, and a port that never answers, as the first lines of a program."""
    query = f"/0?ssl_ca_certs={authority_file()}"
    with TLSFront(redis_server.port) as port, FaultyProxy(port) as deaf:
        deaf.swallow()
        ports = {"URL": port, "DEAF": deaf.port}
        yield "\n".join(f"{k} = 'rediss://localhost:{v}{query}'" for k, v in ports.items())


@pytest.mark.parametrize(("library", "program"), [("gevent", GEVENT), ("uvloop", UVLOOP)])
def test_everybody_reads_their_own_and_waits_in_time(addresses: str, library: str, program: str):
    """Ten take turns on three connections; a dial to a server that says nothing ends."""
    pytest.importorskip(library)
    said = run(addresses + program, "redis://unused").splitlines()

    assert re.fullmatch(r"[1-3] \{\}", said[0])
    assert said[1:] == ["True"]
