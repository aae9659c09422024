"""Promises that are easily broken: what a second look at the pool found."""

from __future__ import annotations

import gc
import sys
import threading
from collections import deque

import pytest
import redis

from redis_pool_ext import LeaseError, PoolUnavailableError, RedisPool
from redis_pool_ext.books import circuit
from redis_pool_ext.config import PoolConfig
from redis_pool_ext.connecting import resolver
from redis_pool_ext.deadline import Deadline
from redis_pool_ext.embedded import EmbeddedRedis
from redis_pool_ext.pooling import outcomes

from ..support.leases import look_after
from ..support.proxy import FaultyProxy
from ..support.strikes import strike_everywhere
from ..support.stub import StubConnection
from ..support.threads import spawn, wait_until


@pytest.fixture
def struck(monkeypatch):
    """A strike in a finalizer: the test runner's hook would keep the object alive."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _unraisable: None)


class TestNames:
    """A name is looked up once for all who ask, and nobody's end is the others'."""

    def test_lookup_that_is_struck_does_not_block_the_name(self, struck):
        """Whoever asks next does not wait for a thread that was never started."""
        places = 0
        for where in strike_everywhere(lambda: resolver.resolve("localhost", 6379, 0, Deadline(5))):
            places += 1
            wait_until(lambda: not resolver._in_flight)
            assert resolver.resolve("localhost", 6379, 0, Deadline(5)), where
        assert places > 5


class TestFullServer:
    """A server that takes no more clients."""

    def test_full_server_is_there(self):
        """A probe that it turns away ends the outage: those who wait get what comes back."""
        with (
            EmbeddedRedis() as server,
            RedisPool.from_url(server.url, max_connecting=1, timeout=10) as pool,
        ):
            kept = pool.get_connection()
            kept.send_command("CONFIG", "SET", "maxclients", "1")
            assert kept.read_response()
            for _ in range(circuit.FAILURES_TO_OPEN):
                pool._ledger.circuit.failed(0.0, redis.ConnectionError("down"))
            pool._ledger.circuit.next_probe = 0.0
            callers = [spawn(pool.get_connection)]
            wait_until(lambda: pool._ledger.server_full.error is not None)
            assert pool.stats().circuit == "closed"
            callers.append(spawn(pool.get_connection))
            wait_until(lambda: pool.stats().waiting == 2)
            pool.release(kept)
            pool.release(callers[0].result())
            pool.release(callers[1].result())


class TestCounters:
    """Every request is counted once."""

    def test_caller_that_goes_back_into_the_queue_has_waited_once(self):
        """It was given a dead connection, and has to wait for a dial."""
        may_dial = threading.Event()
        script = [lambda: None, lambda: may_dial.wait(10)]
        with RedisPool(
            StubConnection, 2, 10, script=script, max_connecting=1, validate_after=0
        ) as pool:
            dead = pool.get_connection()
            dialler = spawn(pool.get_connection)
            wait_until(lambda: pool.stats().connecting == 1)
            waiter = spawn(pool.get_connection)
            wait_until(lambda: pool.stats().waiting == 1)
            dead.can_read = lambda _timeout: True
            pool.release(dead)
            wait_until(lambda: pool.stats().discarded == {"stale": 1})
            may_dial.set()
            for caller in (dialler, waiter):
                pool.release(caller.result())

            assert pool.stats().waited == 1


class TestReplica:
    """A server that has become a replica is left."""

    def test_refused_write_on_a_lease_with_state_ends_the_generation(self):
        """A connection that is closed for its state, too, has brought the same news."""
        with EmbeddedRedis() as server, RedisPool.from_url(server.url) as pool:
            with pool.lease() as client:
                client.replicaof("127.0.0.1", server.port + 1)
                client.client_setname("job")
                with pytest.raises(redis.ReadOnlyError):
                    client.set("k", "v")
            assert pool.stats().generation == 1


class TestFinalizers:
    """What finalizers leave behind is picked up by whoever comes by."""

    def test_two_threads_that_pick_up_one_connection_do_not_fall_over(self):
        """The one that comes too late has nothing to do."""

        class Returned(deque):
            def popleft(self):
                if len(self) == 1:  # another thread comes first
                    pool._release_late(super().popleft())
                return super().popleft()

        with RedisPool(StubConnection) as pool:
            connection = pool.get_connection()
            pool._ledger.returned = Returned([connection])
            assert pool.stats().idle == 1


class TestUrl:
    """What a URL can say."""

    @pytest.mark.parametrize("name", ["idle_timeout", "max_idle", "max_waiting", "socket_timeout"])
    def test_none_in_a_query_is_none(self, name):
        """A limit can be taken off in a URL, too."""
        config = PoolConfig.from_url(f"redis://localhost/0?{name}=None")
        assert getattr(config, name, config.options.get(name)) is None

    def test_none_as_a_text_is_that_text(self):
        """Where a text is possible, it may be "none"."""
        assert PoolConfig.from_url("redis://h/0?client_name=none").options["client_name"] == "none"


class TestReferences:
    """What was dropped comes back at once, not when the garbage collector comes by."""

    @pytest.fixture(autouse=True)
    def no_collector(self):
        """Collect nothing during the test."""
        gc.collect()
        gc.disable()
        yield
        gc.enable()

    def test_connection_dropped_by_a_caller_whose_dial_failed_is_not_lost(self, redis_server):
        """The failed dial's error does not keep its callers' frames."""

        def view(pool):
            kept = pool.get_connection()
            proxy.refuse()
            pool.get_connection()
            return kept

        with FaultyProxy(redis_server.port) as proxy, RedisPool.from_url(proxy.url) as pool:
            with pytest.raises(PoolUnavailableError):
                view(pool)
            assert pool.stats().in_use == 0

    def test_connection_dropped_by_a_caller_with_a_wrong_password_is_not_lost(self, redis_server):
        """What the server answers to a handshake is an error of the same kind."""

        def view(pool, other):
            kept = pool.get_connection()
            other.get_connection()
            return kept

        url = redis_server.url
        with (
            RedisPool.from_url(url) as pool,
            RedisPool.from_url(url, username="nobody", password="wrong") as other,
        ):
            with pytest.raises(redis.AuthenticationError):
                view(pool, other)
            assert pool.stats().in_use == 0


class TestLease:
    """A lease after something went wrong in the middle of it."""

    def test_look_that_is_struck_leaves_the_socket_as_it_was(self, url, monkeypatch, struck):
        """The next command waits for its reply, as every other one."""
        with RedisPool.from_url(url, socket_timeout=5) as pool, pool.lease() as client:
            client.ping()

            def scenario():
                look_after(-1, monkeypatch)
                client.ping()

            for where in strike_everywhere(scenario):
                look_after(60, monkeypatch)
                assert client.echo("mine") == b"mine", where

    @pytest.mark.parametrize("step", ["Deadline", "open"])
    def test_lease_that_is_ended_as_it_reconnects_has_no_connection(self, url, monkeypatch, step):
        """Its slot is somebody else's by then: there would be one connection too many."""
        with RedisPool.from_url(url, max_connections=1, timeout=5) as pool:
            ended = pool.lease()
            client = ended.client()
            client.ping()
            [connection] = ended.held
            connection.disconnect()
            where = outcomes if step == "Deadline" else connection
            original = getattr(where, step)

            def end_first(argument):
                spawn(ended.end).result()
                return original(argument)

            monkeypatch.setattr(where, step, end_first)
            with pytest.raises(LeaseError, match="ended by another thread"):
                client.ping()

            monkeypatch.undo()
            assert not connection.is_connected
            assert (pool.stats().in_use, pool.stats().connecting) == (0, 0)
            pool.release(pool.get_connection())
