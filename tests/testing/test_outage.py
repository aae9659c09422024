"""`redis_down`: the server is gone."""

from __future__ import annotations

import pytest
import redis

from redis_pool_ext import LeaseStateLostError, PoolUnavailableError, get_pool
from redis_pool_ext.embedded import EmbeddedRedis
from redis_pool_ext.testing import isolated_pools, redis_down

from ..support.threads import spawn, wait_until


def test_callers_are_told_that_the_server_is_unavailable(caller):
    """The first ones by a dial that is refused, the others at once."""
    caller.ask("PING")  # which leaves an idle connection

    with redis_down():
        for _ in range(4):
            with pytest.raises(PoolUnavailableError, match="Connection refused"):
                caller.ask("PING")
        assert caller.pool().stats().circuit == "open"


def test_server_is_back_afterwards(caller):
    """The circuit is closed, and what was stored is there."""
    caller.ask("SET", "k", "v")
    with redis_down():
        for _ in range(4):
            with pytest.raises(PoolUnavailableError):
                caller.ask("GET", "k")

    assert caller.pool().stats().circuit == "closed"
    assert caller.ask("GET", "k") == b"v"


def test_holder_has_lost_its_server(caller):
    """Its next command dials, in vain; afterwards it goes on."""
    with caller.lease() as ask:
        with redis_down(), pytest.raises(PoolUnavailableError):
            ask("PING")
        assert ask("PING")


def test_what_a_holder_has_set_up_is_lost(caller):
    """Also if it did nothing while the server was down."""
    with caller.lease() as ask:
        ask("WATCH", "k")
        with redis_down():
            pass
        with pytest.raises(LeaseStateLostError):
            ask("PING")


def test_pool_that_is_made_inside_has_no_server(caller):
    """A new event loop has a new pool, and a Flask app of the test's own, too."""
    with redis_down(), pytest.raises(PoolUnavailableError):
        caller.ask("PING")


def test_other_pools_have_their_server(caller):
    """Only those of this alias are cut off."""
    caller.ask("PING", alias="reports")
    with redis_down():
        assert caller.ask("PING", alias="reports")


def test_command_that_was_on_its_way_meets_the_end():
    """Whoever waits for a reply is not left waiting."""
    with isolated_pools():
        pool = get_pool()
        waiting = spawn(lambda: pool.client.blpop("nothing", 50))
        wait_until(lambda: pool.stats().in_use == 1 and _waits(pool))

        with redis_down(), pytest.raises(redis.ConnectionError):
            waiting.result()


def _waits(pool) -> bool:
    (slot,) = pool._ledger.slots()
    return slot.connection().pending == 1


def test_message_that_is_waited_for_meets_the_end(pools):
    """A subscriber of a fake has no socket to tell it."""
    with get_pool().lease() as client:
        pubsub = client.pubsub()
        pubsub.subscribe("news")
        assert pubsub.get_message(timeout=5)["type"] == "subscribe"

        with redis_down(), pytest.raises(PoolUnavailableError):
            pubsub.get_message()


def test_server_itself_goes_on():
    """Nobody else notices."""
    with EmbeddedRedis() as server, isolated_pools(server.url):
        plain = redis.Redis(port=server.port)
        with redis_down():
            assert plain.ping()
        plain.close()
