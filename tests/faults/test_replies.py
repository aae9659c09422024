"""`socket_timeout` is the wait for a reply, in however many pieces that comes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from redis_pool_ext import RedisPool

from ..support.proxy import FaultyProxy
from .kinds import LARGE_KEY, LARGE_VALUE, OWN_TIMEOUT, SOCKET_TIMEOUT
from .parsers import PARSERS
from .scene import KEY, VALUE


@pytest.fixture(params=PARSERS)
def pool(proxy, request) -> Iterator[RedisPool]:
    """A pool of two through the proxy, for each parser."""
    with RedisPool.from_url(
        proxy.url, max_connections=2, socket_timeout=SOCKET_TIMEOUT, **PARSERS[request.param]
    ) as pool:
        assert pool.client.ping()
        yield pool


def test_large_reply_that_makes_progress_is_not_cut(pool, proxy: FaultyProxy):
    """It takes longer than socket_timeout as a whole, and less for each 64 KB."""
    proxy.delay = SOCKET_TIMEOUT / 10
    assert pool.client.get(LARGE_KEY) == LARGE_VALUE


def test_small_reply_in_pieces_is_put_together(pool, proxy: FaultyProxy):
    """Byte by byte, and in time."""
    proxy.drip(SOCKET_TIMEOUT / 100)
    assert pool.client.get(KEY) == VALUE


def test_each_reply_of_a_pipeline_has_its_own_timeout(pool, proxy: FaultyProxy):
    """Ten in time take longer together, and are all read."""
    proxy.drip(SOCKET_TIMEOUT / 100)
    pipeline = pool.client.pipeline(transaction=False)
    for _ in range(20):
        pipeline.get(KEY)

    assert pipeline.execute() == [VALUE] * 20


def test_blocking_command_keeps_its_own_timeout(pool, proxy, admin, clock):
    """The pieces of its reply, too, may take as long as it asked for, in addition."""
    admin.rpush("list", "one")
    with clock.bounded(4 * SOCKET_TIMEOUT + SOCKET_TIMEOUT):
        proxy.drip(SOCKET_TIMEOUT / 16)
        assert list(pool.client.blpop(["list"], 4 * SOCKET_TIMEOUT)) == [b"list", b"one"]


def test_message_in_pieces_is_read_after_a_pause(pool, proxy: FaultyProxy, admin):
    """A subscriber that waited for longer than socket_timeout still has it for a message."""
    with pool.client.pubsub() as subscriber:
        subscriber.subscribe("news")
        assert subscriber.get_message(timeout=5)["type"] == "subscribe"
        assert subscriber.get_message(timeout=2 * SOCKET_TIMEOUT) is None
        proxy.drip(SOCKET_TIMEOUT / 100)
        admin.publish("news", "text")

        assert subscriber.get_message(timeout=5)["data"] == b"text"


def test_timeout_is_back_after_a_reply_in_pieces(pool, proxy, clock):
    """What a late piece has left of the timeout is not what the next command gets."""
    with pool.lease() as client:
        proxy.drip(SOCKET_TIMEOUT / 25)
        assert client.get(KEY) == VALUE
        proxy.resume()
        assert client.connection_pool.held[0]._sock.gettimeout() == SOCKET_TIMEOUT
        proxy.swallow()
        with pytest.raises(redis.TimeoutError), clock.bounded(SOCKET_TIMEOUT + OWN_TIMEOUT):
            client.get(KEY)


def test_transaction_whose_reply_is_lost_is_not_run_again(pool, proxy: FaultyProxy, admin):
    """EXEC may have run: a WatchError would make transaction() do it once more."""
    attempts = []

    def add_one(pipeline):
        attempts.append(pipeline.get("count"))
        pipeline.multi()
        pipeline.incr("count")
        proxy.lose_answers()

    with pool.lease() as client:
        with pytest.raises(redis.TimeoutError):
            client.transaction(add_one, "count")
        proxy.resume()
        assert client.get("count") == b"1"
    assert len(attempts) == 1
