"""The guard in front of redis-py's connections."""

from __future__ import annotations

import socket

import pytest
import redis
from redis.connection import SSLConnection, UnixDomainSocketConnection

from redis_pool_ext import LeaseError, RedisPool
from redis_pool_ext.connecting.dial import DialledConnection
from redis_pool_ext.connecting.while_dialling import WhileDialling
from redis_pool_ext.connection import GuardedConnection, guarded
from redis_pool_ext.wire.account import Account


@pytest.mark.parametrize(
    "connection_class", [redis.Connection, SSLConnection, UnixDomainSocketConnection]
)
def test_guard_goes_before_each_connection_class(connection_class):
    """The guard's methods come first, then the class's own, none of another class."""
    guard = guarded(connection_class)

    assert guard.__mro__[1:6] == (
        GuardedConnection,
        Account,
        DialledConnection,
        WhileDialling,
        connection_class,
    )
    assert guarded(connection_class) is guard
    assert guarded(guard) is guard


def test_connection_class_must_be_a_class():
    """A factory function cannot be guarded, and is told so."""
    with pytest.raises(TypeError, match="connection_class must be a class"):
        guarded(lambda **_kwargs: None)


def test_unix_socket_works(tmp_path):
    """The path is connected to, not a TCP port."""
    from redis_pool_ext.embedded import EmbeddedRedis

    path = tmp_path / "redis.sock"
    with (
        EmbeddedRedis("--unixsocket", str(path)),
        RedisPool.from_url(f"unix://{path}?db=2") as pool,
        pool.lease() as client,
    ):
        assert client.client_info()["db"] == 2
        assert client.connection_pool.get_connection()._sock.family == socket.AF_UNIX


def test_command_that_cannot_be_packed_owes_no_reply(url):
    """A DataError is raised before anything is sent: the connection stays good."""
    with RedisPool.from_url(url) as pool:
        with pool.lease() as client, pytest.raises(redis.DataError):
            client.set("k", object())
        assert pool.stats().idle == 1


def test_packing_that_failed_is_not_counted_later(url):
    """What was never sent is owed no reply, also to the next who packs by hand."""
    with RedisPool.from_url(url) as pool:
        connection = pool.get_connection()
        with pytest.raises(redis.DataError):
            connection.send_command("SET", "k", None)
        connection.send_packed_command(connection.pack_command("PING"))
        connection.read_response()
        pool.release(connection)
        assert pool.stats().idle == 1


@pytest.mark.parametrize("protocol", [2, 3])
def test_unread_reply_is_not_left_to_the_next_command_of_a_pipeline(url, protocol):
    """Sending where a reply is owed is refused, also below the client."""
    with RedisPool.from_url(url, protocol=protocol) as pool:
        connection = pool.get_connection()
        connection.send_command("ECHO", "old")
        with pytest.raises(redis.ConnectionError, match="was never read"):
            connection.send_command("ECHO", "new")
        assert not connection.is_connected
        pool.release(connection)


def test_connection_that_was_closed_for_good_is_not_revived(url):
    """Whoever kept a reference after the pool dropped it cannot use it."""
    with RedisPool.from_url(url) as pool:
        connection = pool.get_connection()
        connection.disconnect()
        pool.release(connection)
        with pytest.raises(LeaseError, match="given back"):
            connection.send_command("PING")


def test_connection_settings_are_kept_after_the_deadline(url):
    """While dialling the timeouts are cut; afterwards they are what was configured."""
    with RedisPool.from_url(url, timeout=2, socket_timeout=7, socket_connect_timeout=8) as pool:
        connection = pool.get_connection()
        assert connection._sock.gettimeout() == 7
        assert (connection.socket_timeout, connection.socket_connect_timeout) == (7, 8)
        assert type(connection._sock) is socket.socket
        pool.release(connection)


def test_user_retry_policy_is_kept_and_used(url, admin):
    """A policy in the settings holds for commands; dials have none."""
    policy = redis.retry.Retry(redis.backoff.NoBackoff(), 1)
    with RedisPool.from_url(url, retry=policy) as pool, pool.lease() as client:
        admin.execute_command("CLIENT", "KILL", "ID", client.client_id())
        assert client.ping()  # once more, on a new connection


def test_subscription_may_send_before_it_reads(url):
    """Where the server speaks unasked, replies are not counted one by one."""
    with RedisPool.from_url(url) as pool:
        pubsub = redis.Redis(connection_pool=pool).pubsub()
        pubsub.subscribe("a")
        pubsub.subscribe("b")
        assert [pubsub.get_message(timeout=2)["channel"] for _ in range(2)] == [b"a", b"b"]
        pubsub.close()
        assert pool.stats().in_use == 0
