"""The short way of a command: what may strike, interrupt or outlive it."""

from __future__ import annotations

import gc
import socket
from contextlib import suppress
from itertools import count

import pytest
import redis

from redis_pool_ext import LeaseError, RedisPool
from redis_pool_ext.wire.express import exchange

from ..support.proxy import FaultyProxy
from ..support.strikes import run_visited

TIMEOUT = 0.1


@pytest.fixture
def proxy(redis_server, admin):
    """A proxy in front of the shared server."""
    admin.mset({"text": "text", "large": "x" * 1000})
    with FaultyProxy(redis_server.port) as proxy:
        yield proxy


# -- what was dropped comes back at once ------------------------------------------------------


def is_refused(client: redis.Redis, _proxy: FaultyProxy) -> None:
    client.lpush("text", "item")


def times_out(client: redis.Redis, proxy: FaultyProxy) -> None:
    proxy.swallow()
    client.get("text")


def is_cut(client: redis.Redis, proxy: FaultyProxy) -> None:
    proxy.hang_up(reset=True)
    client.get("text")


def cannot_be_sent(client: redis.Redis, _proxy: FaultyProxy) -> None:
    client.connection_pool.held[0]._sock.shutdown(socket.SHUT_WR)
    client.get("text")


@pytest.fixture
def no_collector():
    """Collect nothing during the test."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("goes_wrong", [is_refused, times_out, is_cut, cannot_be_sent])
def test_lease_that_was_dropped_after_an_error_frees_its_connection_at_once(proxy, goes_wrong):
    """The error keeps neither itself nor the frames of its callers."""

    def view(pool: RedisPool) -> None:
        client = pool.lease().client()
        client.ping()
        client.ping()
        goes_wrong(client, proxy)

    with RedisPool.from_url(proxy.url, socket_timeout=TIMEOUT) as pool:
        with pytest.raises(redis.RedisError):
            view(pool)
        assert pool.stats().in_use == 0


# -- signal handlers --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["INCR", b"INCR"], ids=["short way", "long way"])
def test_handler_that_ends_the_lease_makes_nobody_dial_around_the_pool(url, admin, name):
    """Whenever it comes, the command is not sent on a connection that is nobody's."""

    def dials() -> int:
        return admin.info("stats")["total_connections_received"]

    def command() -> None:
        # Between its own look at the socket and the send, redis-py meets a None there; and a
        # buffer that is closed, where it parses by itself.
        with suppress(redis.RedisError, AttributeError, ValueError):
            client.execute_command(name, "number")

    before = dials()
    with RedisPool.from_url(url, max_connections=1, housekeeping_interval=None) as pool:
        for place in count():
            with pool.lease() as client:
                client.ping()
                where = run_visited(command, client.connection_pool.end, place)
            assert dials() - before == pool.stats().created, where
            if where is None:
                break


def test_handler_that_comes_before_the_command_is_sent_is_told(url):
    """The connection may not be renewed under a command that has chosen its way."""

    def interrupted(*args: object) -> object:
        with pytest.raises(LeaseError, match="in the middle of another command"):
            client.ping()
        told.append("told")
        return exchange(*args)

    told: list[str] = []
    with RedisPool.from_url(url) as pool, pool.lease() as client:
        client.ping()
        client.connection_pool._short_way = interrupted
        assert client.echo("text") == b"text"
        assert told == ["told"]


# -- the bound of a reply ---------------------------------------------------------------------


def test_time_that_sending_took_is_not_the_replys(proxy, clock):
    """A reply in pieces has the whole of `socket_timeout`, as on redis-py's way."""
    with RedisPool.from_url(proxy.url, socket_timeout=30) as pool, pool.lease() as client:
        client.ping()
        connection = client.connection_pool.held[0]
        lane = connection.lane
        proxy.drip(0.0001)

        def send_slowly(packed: bytes) -> None:
            lane.send(packed)
            clock.advance(40)

        connection.lane = lane._replace(send=send_slowly)
        assert client.get("large") == b"x" * 1000
