"""The guard in front of redis-py's asyncio connections."""

from __future__ import annotations

import pytest
import redis
import redis.asyncio
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection

from redis_pool_ext import LeaseError
from redis_pool_ext.aio.connection import GuardedAsyncConnection, guarded_async
from redis_pool_ext.aio.dial import DialledAsyncConnection
from redis_pool_ext.aio.in_time import TimedConnection
from redis_pool_ext.connecting.while_dialling import WhileDialling
from redis_pool_ext.deadline import Deadline
from redis_pool_ext.wire.account import Account

from ..scene import Scene, ask, make
from ..tasks import start, wait_until


@pytest.mark.parametrize(
    "connection_class", [redis.asyncio.Connection, SSLConnection, UnixDomainSocketConnection]
)
def test_guard_goes_before_each_connection_class(connection_class):
    """The guard's methods come first, then the class's own, none of another class."""
    guard = guarded_async(connection_class)

    assert guard.__mro__[1:7] == (
        GuardedAsyncConnection,
        Account,
        TimedConnection,
        DialledAsyncConnection,
        WhileDialling,
        connection_class,
    )
    assert guarded_async(connection_class) is guard
    assert guarded_async(guard) is guard
    assert guard.__module__ == GuardedAsyncConnection.__module__


def test_connection_class_must_be_a_class():
    """A factory function cannot be guarded, and is told so."""
    with pytest.raises(TypeError, match="connection_class must be a class"):
        guarded_async(lambda **_kwargs: None)


class TestForfeit:
    """A connection that is taken from the task that uses it."""

    async def test_its_task_is_told(self):
        """It sees the end of the stream, and cannot dial again."""
        async with Scene() as scene:
            connection = scene.connection
            asking = start(ask(connection, "GET", "k"))
            await scene.peer.hears(b"GET")
            connection.forfeit()

            with pytest.raises(redis.ConnectionError, match="closed by server"):
                await asking
            with pytest.raises(LeaseError, match="given back"):
                await ask(connection, "GET", "k")
            await wait_until(lambda: scene.peer.has_ended)


async def test_fake_is_guarded_like_any_other():
    """It has no socket, and a way to connect of its own."""
    fakeredis = pytest.importorskip("fakeredis")
    connection = make(fakeredis.FakeAsyncRedisConnection, server=fakeredis.FakeServer())
    await connection.open(Deadline(5))

    assert await ask(connection, "SET", "k", "v") == b"OK"
    assert connection.lane is None
    await ask(connection, "SELECT", 3)
    assert connection.dirt() == "left in SELECT"
    connection.cut()
    assert connection.dirt() == "closed"
    connection.transaction_over()
    connection._lost = frozenset()
    assert await ask(connection, "GET", "k") == b"v"
    connection.retire()
