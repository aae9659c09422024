"""A server or network that misbehaves: every wait has its bound, and the pool comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis

from redis_pool_ext import (
    ConnectionPoolTimeoutError,
    PoolExhaustedError,
    PoolUnavailableError,
    RedisPool,
)
from redis_pool_ext.embedded import EmbeddedRedis
from redis_pool_ext.pooling.liveness import looks_alive

from ..support.proxy import FaultyProxy
from ..support.threads import spawn, wait_until

TIMEOUT = 0.8
# What a busy machine may add; without a bound each of these waits is 5 to 60 s.
SLACK = 0.4


@pytest.fixture
def proxy(redis_server, admin) -> Iterator[FaultyProxy]:
    """The shared server behind a proxy that can misbehave."""
    with FaultyProxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def pool(proxy) -> Iterator[RedisPool]:
    """A pool of two through the proxy."""
    with RedisPool.from_url(proxy.url, max_connections=2, timeout=TIMEOUT) as pool:
        yield pool


def timed(function) -> tuple[BaseException, float]:
    began = time.monotonic()
    with pytest.raises(redis.RedisError) as caught:
        function()
    return caught.value, time.monotonic() - began


class TestNoWaitTooLong:
    """One deadline over queue, dial, handshake and validation."""

    def test_server_that_never_answers_costs_the_timeout_at_most(self, pool, proxy):
        """It accepts and says nothing; redis-py's defaults would wait a minute."""
        proxy.swallow()
        error, seconds = timed(pool.get_connection)

        assert isinstance(error, PoolUnavailableError)
        assert isinstance(error.__cause__, redis.TimeoutError)
        assert seconds < TIMEOUT + SLACK

    def test_server_that_answers_byte_by_byte_costs_the_timeout_at_most(self, pool, proxy):
        """A timeout per read would let it go on for ever."""
        proxy.drip(TIMEOUT / 4)
        error, seconds = timed(pool.get_connection)

        assert isinstance(error, PoolUnavailableError)
        assert seconds < TIMEOUT + SLACK

    @pytest.mark.parametrize("protocol", [2, 3])
    @pytest.mark.parametrize("with_hiredis", [True, False], ids=["hiredis", "python"])
    def test_bound_holds_for_each_parser(self, proxy, protocol, with_hiredis):
        """redis-py's parsers keep the socket in different places."""
        arguments = {} if with_hiredis else {"parser_class": redis.connection._RESP2Parser}
        with RedisPool.from_url(
            proxy.url, protocol=protocol, timeout=TIMEOUT, password="", **arguments
        ) as pool:
            with pool.lease() as client:
                assert client.echo("x") == b"x"
            pool.disconnect()
            proxy.drip(TIMEOUT / 4)
            _error, seconds = timed(pool.get_connection)
        assert seconds < TIMEOUT + SLACK

    def test_after_a_few_failures_callers_are_told_at_once(self, pool, proxy):
        """The circuit is open: no caller waits for what just failed three times."""
        proxy.swallow()
        for _ in range(3):
            timed(pool.get_connection)
        error, seconds = timed(pool.get_connection)

        assert isinstance(error, PoolUnavailableError)
        assert seconds < TIMEOUT / 2
        assert error.retry_after >= 1

    def test_queue_behind_a_silent_server_is_bounded(self, pool, proxy):
        """Ten callers at once: each is told within its timeout."""
        proxy.swallow()
        callers = [spawn(timed, pool.get_connection) for _ in range(10)]
        seconds = [caller.result()[1] for caller in callers]

        assert max(seconds) < TIMEOUT + SLACK

    def test_refused_port_is_told_at_once(self, pool, proxy):
        """Nobody listens: no wait at all."""
        proxy.refuse()
        error, seconds = timed(pool.get_connection)

        assert isinstance(error, PoolUnavailableError)
        assert seconds < TIMEOUT / 2

    def test_idle_connection_to_a_deaf_server_costs_the_timeout_at_most(self, pool, proxy):
        """Validation has the same deadline: two connections, one breaks, the other is asked."""
        one, two = pool.get_connection(), pool.get_connection()
        pool.release(two)
        proxy.swallow()
        one.send_command("PING")
        one._sock.settimeout(0.05)
        with pytest.raises(redis.TimeoutError):
            one.read_response()
        pool.release(one)
        _error, seconds = timed(pool.get_connection)

        assert seconds < TIMEOUT + SLACK

    def test_command_on_a_silent_server_costs_socket_timeout(self, proxy):
        """The wait for a reply is redis-py's socket_timeout, once, without retries."""
        with (
            RedisPool.from_url(proxy.url, timeout=TIMEOUT, socket_timeout=0.2) as pool,
            pool.lease() as client,
        ):
            client.ping()
            proxy.swallow()
            error, seconds = timed(client.ping)
        assert isinstance(error, redis.TimeoutError)
        assert seconds < 0.2 + SLACK


class TestComingBack:
    """When the fault is over the pool serves again."""

    def test_pool_serves_again_within_one_backoff_step(self, pool, proxy):
        """After an outage the next probe closes the circuit."""
        proxy.refuse()
        for _ in range(4):
            timed(pool.get_connection)
        proxy.resume()
        began = time.monotonic()
        wait_until(lambda: _works(pool))

        assert time.monotonic() - began < 0.5
        assert pool.stats().circuit == "closed"

    def test_restart_costs_idle_connections_nothing(self, admin):
        """Idle connections of before the restart are found dead and dialled anew."""
        with EmbeddedRedis() as server, RedisPool.from_url(server.url, max_connections=4) as pool:
            taken = [pool.get_connection() for _ in range(4)]
            for connection in taken:
                pool.release(connection)
            server.stop()
            server.start()
            for _ in range(8):
                with pool.lease() as client:
                    assert client.ping()
            assert pool.stats().discarded == {"stale": 4} or pool.stats().created > 4

    def test_restart_costs_a_command_in_flight_one_error(self, admin):
        """The command that waits for its reply fails; then there is a new connection."""
        with EmbeddedRedis() as server, RedisPool.from_url(server.url) as pool:
            with pool.lease() as client:
                blocked = spawn(client.blpop, ["queue"], 0)
                with redis.Redis(port=server.port) as probe:
                    wait_until(lambda: probe.info("clients")["blocked_clients"] == 1)
                server.stop()
                server.start()
                with pytest.raises(redis.ConnectionError):
                    blocked.result()
                assert client.ping()
            assert pool.stats().in_use == 0

    @pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
    def test_cut_idle_connections_are_not_handed_out(self, pool, proxy, reset):
        """A look at the socket, without a round trip, finds the end of the stream."""
        connections = [pool.get_connection(), pool.get_connection()]
        for connection in connections:
            pool.release(connection)
        proxy.cut(reset=reset)
        wait_until(lambda: not any(looks_alive(c) for c in connections))
        for _ in range(2):
            with pool.lease() as client:
                assert client.ping()

    def test_one_error_puts_the_other_idle_connections_in_doubt(self, pool, proxy):
        """After a network error older idle connections are asked before they are used."""
        one, two = pool.get_connection(), pool.get_connection()
        pool.release(two)
        one.broken = True
        one.disconnect()
        pool.release(one)
        pings = pool.client.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"]
        assert pool.get_connection() is two
        pool.release(two)
        assert pool.client.info("commandstats")["cmdstat_ping"]["calls"] >= pings

    def test_maxclients_is_told_and_costs_no_slot(self):
        """The server's own limit answers as unavailable, with its words as the cause."""
        with EmbeddedRedis("--maxclients", "2") as server:
            others = [redis.Redis(port=server.port) for _ in range(2)]
            for other in others:
                other.ping()
            with RedisPool.from_url(server.url, timeout=TIMEOUT) as pool:
                error, _seconds = timed(pool.get_connection)
                assert isinstance(error, PoolUnavailableError)
                assert "max number of clients" in str(error.__cause__)
                others.pop().close()
                wait_until(lambda: _works(pool))
            for other in others:
                other.close()

    def test_wrong_password_is_passed_on(self):
        """Not an outage: the server's answer, and no password in it."""
        with EmbeddedRedis("--requirepass", "right-one") as server:
            url = f"redis://:wrong-one@127.0.0.1:{server.port}/0"
            with RedisPool.from_url(url) as pool:
                error, _seconds = timed(pool.get_connection)
        assert isinstance(error, redis.AuthenticationError)
        assert not isinstance(error, PoolUnavailableError)
        assert "wrong-one" not in str(error) + repr(pool)

    def test_impossible_database_is_passed_on(self, redis_server):
        """A database that the server does not have is the configuration's fault."""
        url = redis_server.url.replace("/0", "/999")
        with RedisPool.from_url(url) as pool:
            with pytest.raises(redis.ResponseError, match="out of range"):
                pool.get_connection()
            assert pool.stats().in_use == 0


def test_exhausted_is_told_apart_from_down(pool, proxy):
    """Two classes, two causes: nobody needs to read the text."""
    kept = [pool.get_connection(), pool.get_connection()]
    exhausted, _ = timed(pool.get_connection)
    for connection in kept:
        pool.release(connection)
    pool.disconnect()
    proxy.refuse()
    down, _ = timed(pool.get_connection)

    assert isinstance(exhausted, ConnectionPoolTimeoutError | PoolExhaustedError)
    assert not isinstance(exhausted, PoolUnavailableError)
    assert isinstance(down, PoolUnavailableError)
    assert not isinstance(down, PoolExhaustedError)


def _works(pool: RedisPool) -> bool:
    try:
        with pool.lease() as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
