"""What a user may set, or get wrong: names, passwords, hosts, TLS, a client's name."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import redis

from redis_pool_ext import PoolUnavailableError

from ..support.certificates import authority_file
from ..support.forks import open_sockets
from ..support.server import Server
from ..support.tls import TLSFront
from .constellation import SERVICE, Constellation, Sentinel
from .sides import Side, connection_of

SECRET = "hunter2"


@contextmanager
def watching(port: int, *settings: str) -> Iterator[Sentinel]:
    """One Sentinel, for a master that listens on this port."""
    with Sentinel(port, *settings) as sentinel:
        yield sentinel


def url_of(sentinel: Sentinel, scheme: str = "redis+sentinel", user: str = "") -> str:
    return f"{scheme}://{user}{sentinel.address}/{SERVICE}/0"


def told(side: Side, url: str, **settings: Any) -> Exception:
    """Return what the first command of a pool is told."""
    with side(url, **settings) as pools, pools.lease() as client:
        with pytest.raises(redis.RedisError) as caught:
            client.ping()
        return caught.value


@pytest.mark.parametrize("protocol", [2, 3])
def test_url_alone_is_enough(constellation: Constellation, side: Side, protocol: int):
    """Database, name of the client, protocol: as with any other URL."""
    url = constellation.url.replace("/0", "/3") + f"?client_name=web&protocol={protocol}"
    with side(url) as pools, pools.lease() as client:
        client.set("k", "v")
        connection = connection_of(client)
        info = client.client_info()
        assert (info["db"], info["name"]) == (3, "web")
        assert connection.lane is not None  # it goes the short way
        assert connection.port == constellation.master.port
        assert (connection.pending, connection.marks) == (0, set())


def test_nothing_is_left_at_the_sentinels(constellation: Constellation, side: Side):
    """A Sentinel is asked and left; the pool's connections are all to the servers."""
    with side(constellation.url, housekeeping_interval=None) as pools, pools.lease() as client:
        client.ping()
        for sentinel in constellation.sentinels:
            assert open_sockets(sentinel.port) == set()


def test_unknown_service_is_named(constellation: Constellation, side: Side):
    """A typing mistake in the URL's path."""
    error = told(side, constellation.url.replace(SERVICE, "mymastr"))

    assert isinstance(error, PoolUnavailableError)
    assert isinstance(error.__cause__, redis.sentinel.MasterNotFoundError)
    assert "knows no service 'mymastr'" in str(error)
    assert "check the name in the URL" in str(error)
    assert constellation.sentinels[0].address in str(error)


def test_nobody_at_the_master_is_told_with_address_and_service(side: Side):
    """What redis-py says of the dial, and why it was dialled."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with watching(port) as sentinel:
        error = told(side, url_of(sentinel, user=f"u:{SECRET}@"))

    assert isinstance(error, PoolUnavailableError)
    assert f"(127.0.0.1:{port}, of 'mymaster' by its Sentinels)" in str(error)
    assert SECRET not in str(error) + repr(error.__cause__)


def test_server_in_place_of_a_sentinel_says_so(redis_server: Server, side: Side):
    """The port of a data node in the list: it knows no such command."""
    error = told(side, f"redis+sentinel://127.0.0.1:{redis_server.port}/mymaster")

    assert isinstance(error, redis.ResponseError)
    assert f"Sentinel 127.0.0.1:{redis_server.port} refuses: unknown command" in str(error)


def test_sentinel_that_demands_a_password(redis_server: Server, side: Side):
    """Its own goes into `sentinel_kwargs`: that in the URL is for the servers."""
    with watching(redis_server.port, f"requirepass {SECRET}") as sentinel:
        with_password = {"sentinel_kwargs": {"password": SECRET}}
        with side(url_of(sentinel), **with_password) as pools, pools.lease() as client:
            assert client.ping()
        without = told(side, url_of(sentinel))
        wrong = told(side, url_of(sentinel), sentinel_kwargs={"password": f"not {SECRET}"})

    for error in (without, wrong):
        assert isinstance(error, redis.AuthenticationError)
        assert f"Sentinel {sentinel.address} refuses" in str(error)
        assert "OPTIONS['sentinel_kwargs']" in str(error)
        assert SECRET not in str(error)


def test_server_that_demands_a_password(side: Side):
    """The one in the URL is given to the server, and to no Sentinel."""
    with Server("--requirepass", SECRET) as server:
        auth = f"sentinel auth-pass {SERVICE} {SECRET}"
        with watching(server.port, auth) as sentinel:
            with side(url_of(sentinel, user=f":{SECRET}@")) as pools, pools.lease() as client:
                assert client.ping()
            wrong = told(side, url_of(sentinel, user=f":not{SECRET}@"))

    assert isinstance(wrong, redis.AuthenticationError)
    assert SECRET not in str(wrong)


def test_user_who_may_ask_nothing_is_served(side: Side):
    """Where a user may not even say HELLO, the Sentinels are believed."""
    user = ("--user", "app", "on", f">{SECRET}", "~*", "+@all", "-hello", "-role", "-info")
    with Server(*user) as server, watching(server.port) as sentinel:
        url = url_of(sentinel, user=f"app:{SECRET}@")
        with side(url, protocol=2) as pools, pools.lease() as client:
            assert client.ping()


def test_names_of_hosts_are_resolved(redis_server: Server, side: Side):
    """A Sentinel's, and those that a Sentinel announces."""
    names = ("sentinel resolve-hostnames yes", "sentinel announce-hostnames yes")
    with Sentinel(redis_server.port, *names) as sentinel:
        sentinel.says("REMOVE", SERVICE)
        sentinel.says("MONITOR", SERVICE, "localhost", str(redis_server.port), "1")
        url = url_of(sentinel).replace("127.0.0.1", "localhost")
        with side(url) as pools, pools.lease() as client:
            assert client.ping()
            assert connection_of(client).host == "localhost"


def test_name_that_nobody_knows_costs_its_share_only(constellation: Constellation, side: Side):
    """The next Sentinel is asked."""
    url = constellation.url.replace("//", "//no-such-host.invalid:1,")
    with side(url) as pools, pools.lease() as client:
        assert client.ping()


def test_tls_is_for_the_servers_or_for_the_sentinels(redis_server: Server, side: Side):
    """`rediss+sentinel://` is TLS to the servers, `ssl` in `sentinel_kwargs` to the Sentinels."""
    tls = {"ssl_ca_certs": authority_file(), "ssl_check_hostname": False}
    with ExitStack() as stack:
        server_port = stack.enter_context(TLSFront(redis_server.port))
        sentinel = stack.enter_context(watching(server_port))
        with side(url_of(sentinel, "rediss+sentinel"), **tls) as pools, pools.lease() as client:
            assert client.ping()
            assert connection_of(client).port == server_port

        plain = stack.enter_context(watching(redis_server.port))
        plain.port, plain_port = stack.enter_context(TLSFront(plain.port)), plain.port
        try:
            by_tls = {"sentinel_kwargs": {"ssl": True, **tls}}
            with side(url_of(plain), **by_tls) as pools, pools.lease() as client:
                assert client.ping()
            assert isinstance(told(side, url_of(plain)), PoolUnavailableError)
        finally:
            plain.port = plain_port
