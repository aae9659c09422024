"""A client that degrades: reads get the default where there is no answer, writes raise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from redis_pool_ext import (
    LeaseError,
    LeaseStateLostError,
    PoolExhaustedError,
    PoolUnavailableError,
    RedisPool,
)
from redis_pool_ext.client import LeasedRedis
from redis_pool_ext.leasing import fallback as module
from redis_pool_ext.leasing.fallback import Degradation, Fallback
from redis_pool_ext.scope import Scope
from redis_pool_ext.testing import exhausted_pool, redis_down
from redis_pool_ext.web.degrading import DegradingScope, FindDegrading
from redis_pool_ext.web.lazy import LazyRedis

from ..support.proxy import FaultyProxy
from ..support.server import Server

DEFAULT = "none"


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own, to be stopped."""
    with Server() as server:
        yield server


def pool_at(url: str) -> RedisPool:
    return RedisPool.from_url(
        url, max_connections=1, timeout=5, socket_timeout=5, decode_responses=True
    )


@pytest.fixture
def pool(url: str) -> Iterator[RedisPool]:
    with pool_at(url) as pool:
        yield pool


@pytest.fixture
def down(pool: RedisPool) -> Iterator[None]:
    """The server is gone."""
    with redis_down():
        yield


@pytest.fixture
def scope() -> Iterator[Scope]:
    scope = Scope("GET / (view)", waits_once=True)
    yield scope
    scope.end()


@pytest.fixture
def client(scope: Scope, pool: RedisPool) -> Any:
    """The client of a request that can do without."""
    return DegradingScope(scope, Fallback(DEFAULT)).client(pool)


@pytest.fixture
def client_of_own(scope: Scope, server: Server) -> Iterator[Any]:
    """The same, of a server that is killed in the test."""
    with pool_at(server.url) as pool:
        yield DegradingScope(scope, Fallback(DEFAULT)).client(pool)


# -- healthy -------------------------------------------------------------------------------


def test_healthy_client_is_a_redis_client_that_answers(client, scope, pool):
    """It is the request's lease, and nothing is degraded."""
    assert isinstance(client, redis.Redis)
    client.set("k", 1)
    assert (client.get("k"), client.hgetall("h"), list(client.scan_iter())) == ("1", {}, ["k"])
    assert client.client_id() == scope.client(pool).client_id()
    assert client.pipeline().get("k").incr("k").execute() == ["1", 2]
    assert client.is_degraded is False
    assert pool.stats().acquired == 1


def test_healthy_command_takes_the_short_way(client, monkeypatch):
    """As that of any lease does."""
    client.ping()
    monkeypatch.setattr(LeasedRedis, "_go_the_long_way", lambda *_args: pytest.fail("the long way"))
    assert client.get("k") is None


def test_tool_that_wraps_execute_command_sees_each_command(client, monkeypatch):
    """Also one that gets the default."""
    seen = []
    own = redis.Redis.execute_command

    def traced(self: Any, *args: Any, **options: Any) -> Any:
        seen.append(args[0])
        return own(self, *args, **options)

    monkeypatch.setattr(redis.Redis, "execute_command", traced)
    client.get("k")
    with redis_down():
        assert client.get("k") == DEFAULT
    assert seen == ["GET", "GET"]


def test_plain_client_says_that_nothing_is_degraded(scope, pool):
    """Code that is shared by views may ask whichever client it has."""
    assert scope.client(pool).is_degraded is False


def test_client_that_is_not_used_makes_no_lease(scope, pool):
    """It is lazy as the request's other one."""
    lazy = LazyRedis(DegradingScope(scope, Fallback(DEFAULT)), lambda: pool)
    assert isinstance(lazy, redis.Redis)
    assert scope._clients == {}
    assert lazy.get("k") is None
    assert lazy.is_degraded is False


# -- outages -------------------------------------------------------------------------------


def test_read_without_a_server_gets_the_default(client, down):
    """And the view can ask whether that happened."""
    assert client.get("k") == DEFAULT
    assert client.hgetall("h") == DEFAULT
    assert client.is_degraded


def test_read_of_a_full_pool_gets_the_default(client, pool):
    """Refused, and not waited for again."""
    with exhausted_pool():
        assert [client.get("k") for _ in range(3)] == [DEFAULT] * 3
    assert pool.stats().timed_out == 3
    assert client.get("k") is None  # there is one again


def test_read_of_a_closed_pool_gets_the_default(client, pool):
    """Settings may change while requests run."""
    pool.close()
    assert client.get("k") == DEFAULT


def test_read_whose_socket_dies_in_the_middle_gets_the_default(client_of_own, server):
    """The server is killed while it holds the command."""
    client_of_own.ping()
    server.stop()
    assert client_of_own.get("k") == DEFAULT
    server.start()
    assert client_of_own.get("k") is None


def test_silent_server_is_waited_for_once(server, scope):
    """Twenty reads do not cost twenty times a socket's timeout."""
    with (
        FaultyProxy(server.port) as proxy,
        RedisPool.from_url(proxy.url, timeout=5, socket_timeout=0.2) as pool,
    ):
        client = DegradingScope(scope, Fallback(DEFAULT)).client(pool)
        client.ping()
        proxy.swallow()
        sent = []
        assert client.get("k") == DEFAULT
        with pytest.raises(redis.RedisError):
            client.set("k", 1)  # which is tried, and told
        client.connection_pool.get_connection = lambda *_: sent.append("tried")
        assert [client.get("k") for _ in range(20)] == [DEFAULT] * 20
        assert client.pipeline().get("k").execute() == [DEFAULT]
        assert sent == []
        scope.end()


@pytest.mark.parametrize(
    "write",
    [
        lambda client: client.set("k", 1),
        lambda client: client.getdel("k"),
        lambda client: client.eval("return 1", 0),
        lambda client: client.publish("news", "none"),
        lambda client: client.ping(),
        lambda client: client.lock("k", blocking=False).acquire(),
        lambda client: client.lock("k").locked(),
        lambda client: client.pubsub().subscribe("news"),
        lambda client: client.monitor().__enter__(),
        lambda client: client.register_script("return 1")(),
        lambda client: client.pipeline().get("k").incr("k").execute(),
        lambda client: client.pipeline().watch("k"),
        lambda client: client.transaction(lambda pipe: pipe.get("k"), "k"),
    ],
)
def test_whatever_else_raises_as_ever(client, down, write: Callable[[Any], Any]):
    """A write that was not done does not look as if it had been."""
    with pytest.raises(PoolUnavailableError):
        write(client)
    assert client.is_degraded is False


def test_pipeline_of_reads_gets_a_default_for_each(client, down):
    """In a transaction, or not; and it can be used again."""
    for transaction in (True, False):
        pipeline = client.pipeline(transaction=transaction)
        assert pipeline.get("k").hgetall("h").hscan("h").execute() == [
            DEFAULT,
            DEFAULT,
            (0, {}),
        ]
        assert pipeline.execute() == []
    assert pipeline.is_degraded
    assert client.is_degraded


def test_watched_pipeline_of_reads_raises(server, scope):
    """Who watches wants to know what is there."""
    with (
        FaultyProxy(server.port) as proxy,
        RedisPool.from_url(proxy.url, timeout=5, socket_timeout=0.2) as pool,
    ):
        client = DegradingScope(scope, Fallback(DEFAULT)).client(pool)
        pipeline = client.pipeline()
        pipeline.watch("k")
        pipeline.multi()
        pipeline.get("k")
        proxy.swallow()
        with pytest.raises(redis.TimeoutError):
            pipeline.execute()
        assert client.is_degraded is False
        scope.end()


def test_iteration_without_a_server_is_an_empty_one(client, down):
    """Whoever unpacks a page finds an empty last one, and not the default."""
    assert list(client.scan_iter()) == []
    assert list(client.sscan_iter("s")) == []
    assert list(client.hscan_iter("h")) == []
    assert list(client.hscan_iter("h", no_values=True)) == []
    assert list(client.zscan_iter("z")) == []
    assert client.is_degraded


def test_lease_that_has_ended_is_a_mistake(client, scope):
    """No outage, and not answered with a default."""
    client.get("k")
    scope.end()
    with pytest.raises(LeaseError):
        client.get("k")


def test_lost_state_is_told(client_of_own, server):
    """The reply that went with the socket is one thing, another database the next one."""
    client_of_own.execute_command("SELECT", 1)
    server.restart()
    assert client_of_own.get("k") == DEFAULT
    with pytest.raises(LeaseStateLostError):
        client_of_own.get("k")


@pytest.mark.parametrize(
    "error",
    [
        redis.AuthenticationError("no"),
        redis.exceptions.AuthorizationError("no"),
        LeaseStateLostError("lost"),
    ],
)
def test_mistakes_of_the_same_classes_are_no_outages(pool, error):
    """They are ConnectionErrors to redis-py."""
    assert not Degradation(Fallback(DEFAULT)).replaces(error, pool.lease(), [("GET", "k")])


def test_wrong_password_is_no_outage(server, scope):
    """It would be none in an hour either."""
    with server.admin() as admin:
        admin.config_set("requirepass", "s3cret")
    with RedisPool.from_url(server.url, password="wrong") as pool:
        client = DegradingScope(scope, Fallback(DEFAULT)).client(pool)
        with pytest.raises(redis.AuthenticationError):
            client.get("k")
        assert client.is_degraded is False
        scope.end()


def test_what_the_server_refuses_is_an_answer(client):
    """A command's own error is never a default."""
    client.rpush("list", 1)
    with pytest.raises(redis.ResponseError):
        client.get("list")


def test_plain_client_of_the_same_request_raises(client, scope, pool, down):
    """Cache and sessions, which have it, answer for themselves."""
    assert client.get("k") == DEFAULT
    with pytest.raises((PoolUnavailableError, PoolExhaustedError)):
        scope.client(pool).get("k")


# -- the default ---------------------------------------------------------------------------


@pytest.mark.parametrize("default", [[], {}, set(), [{"a": 1}]])
def test_default_that_can_change_is_each_reads_own(pool, down, scope, default):
    """What one visitor adds is not shown to the next one."""
    client = DegradingScope(scope, Fallback(default)).client(pool)
    first, second = client.get("k"), client.get("k")
    assert first == second == default
    assert first is not second
    assert first is not default


def test_default_is_the_very_object(pool, down, scope):
    """A view can tell it from whatever there is in Redis."""
    nothing = object()
    client = DegradingScope(scope, Fallback(nothing)).client(pool)
    assert client.get("k") is nothing


# -- who hears of it -----------------------------------------------------------------------


def test_degraded_reads_are_logged_once_in_a_while(client, down, caplog, monkeypatch):
    """One line that names the pool, the view, the command and why, and no key."""
    now = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    for _ in range(4):
        client.get("private key")
    now[0] += 10
    client.pipeline().hgetall("private key").execute()

    lines = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    said = [line for line in lines if "goes on without Redis" in line]
    assert [line.partition(" had")[0] for line in said] == [
        "default: GET / (view) goes on without Redis, GET",
        "default: GET / (view) goes on without Redis, HGETALL",
    ]
    assert [line.rpartition("; ")[2] for line in said] == [
        "0 more since the last report",
        "3 more since the last report",
    ]
    assert "private" not in caplog.text


def test_found_client_is_kept_while_its_scope_is(pool):
    """And is another one in the next scope; outside of all it is whatever is there."""
    scopes = [Scope(), Scope()]
    find = FindDegrading(lambda: scopes[0].client(pool), Fallback(DEFAULT))
    first = find()
    assert find() is first
    scopes.pop(0).end()
    assert find() is not first
    plain = pool.client
    assert FindDegrading(lambda: plain, Fallback(DEFAULT))() is plain
    scopes[0].end()
