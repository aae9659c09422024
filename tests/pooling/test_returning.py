"""A server that has become a replica: its connections are left, as they come back."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import redis
from redis.exceptions import ReadOnlyError

from redis_pool_ext import RedisPool
from redis_pool_ext.embedded import EmbeddedRedis
from redis_pool_ext.pooling.returning import GENERATION_AT_LEAST


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedRedis]:
    """A server of these tests' own."""
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
def replica(server) -> Iterator[redis.Redis]:
    """Make the server a replica, of a master that is not there; a client that may end it."""
    with redis.Redis(port=server.port) as admin:
        admin.replicaof("127.0.0.1", "1")
        yield admin
        admin.replicaof("NO", "ONE")


@pytest.fixture
def pool(server, clock) -> Iterator[RedisPool]:
    """A pool that was made a while ago, before the server was a replica."""
    with RedisPool.from_url(server.url, max_connections=4, housekeeping_interval=None) as pool:
        clock.advance(GENERATION_AT_LEAST + 1)
        yield pool


def write(client: redis.Redis) -> None:
    with pytest.raises(ReadOnlyError):
        client.set("k", "v")


def leave_idle(pool: RedisPool, count: int) -> None:
    for connection in [pool.get_connection() for _ in range(count)]:
        pool.release(connection)


def test_refused_write_renews_all_connections(pool, replica, caplog):
    """The error is the caller's; the connection is closed, and so are the idle ones."""
    leave_idle(pool, 3)
    write(pool.client)
    stats = pool.stats()

    assert stats.discarded == {"read only": 1, "drained": 2}
    assert (stats.idle, stats.generation) == (0, 1)
    [record] = caplog.records
    assert (record.name, record.levelno) == ("redis_pool_ext", logging.WARNING)
    assert record.getMessage() == (
        "default: the server refuses writes; all connections are renewed"
    )


def test_those_in_use_are_renewed_as_they_come_back(pool, replica):
    """Nobody is cut for another one's error."""
    kept = pool.get_connection()
    write(pool.client)
    assert kept.is_connected
    pool.release(kept)

    assert not kept.is_connected
    assert pool.stats().discarded["drained"] == 1


def test_lease_has_a_new_connection_at_its_next_command(pool, replica):
    """It need not end first: the name may mean the new master by now."""
    with pool.lease() as client:
        before = client.client_id()
        write(client)
        replica.replicaof("NO", "ONE")

        assert client.set("k", "v")
        assert client.client_id() != before
        assert pool.stats().generation == 1


def test_lease_with_state_keeps_its_connection(pool, replica):
    """Its database is this connection's; a new one would write into another."""
    with pool.lease() as client:
        before = client.client_id()
        client.select(3)
        write(client)

        assert client.client_id() == before
    assert pool.stats().idle == 0


def test_generation_ends_at_most_once_a_second(pool, replica, clock, caplog):
    """A program that writes to a replica by mistake does not dial for each error."""
    clock.stop()
    for _ in range(3):
        write(pool.client)
    assert pool.stats().generation == 1
    clock.advance(GENERATION_AT_LEAST + 0.1)
    write(pool.client)

    assert pool.stats().generation == 2
    assert len(caplog.records) == 2


def test_two_that_come_back_together_end_it_once(pool, replica, caplog):
    """The second return meets the first in the middle of its report."""
    one, two = pool.get_connection(), pool.get_connection()
    one.turn_read_only()
    two.turn_read_only()
    others = [two]

    class Returns(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            while others:
                pool.release(others.pop())

    handler = Returns()
    logging.getLogger("redis_pool_ext").addHandler(handler)
    try:
        pool.release(one)
    finally:
        logging.getLogger("redis_pool_ext").removeHandler(handler)

    assert pool.stats().generation == 1
    assert len(caplog.records) == 1


def test_error_of_an_older_generation_is_no_news(pool, replica, clock):
    """Its connection was made before all were renewed."""
    late = pool.get_connection()
    write(pool.client)
    clock.advance(GENERATION_AT_LEAST + 1)
    late.turn_read_only()
    pool.release(late)

    assert pool.stats().generation == 1


def test_reading_from_a_replica_is_as_good_as_anywhere(pool, replica, caplog):
    """Only a refused write says that the wrong server was met."""
    with pool.lease() as client:
        client.get("k")

    assert pool.stats().idle == 1
    assert caplog.records == []
