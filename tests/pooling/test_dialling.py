"""Dials and renewals: when an idle one is asked, how many at a time, and a server that is full."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import redis

from redis_pool_ext import ConnectionPoolTimeoutError, PoolUnavailableError, RedisPool
from redis_pool_ext.books.circuit import FULL_PAUSE
from redis_pool_ext.embedded import EmbeddedRedis

from ..support.proxy import FaultyProxy
from ..support.stub import StubConnection
from ..support.threads import spawn, wait_until

FOR_EVER = {"idle_timeout": None, "max_lifetime": None, "housekeeping_interval": None}


class TestAsking:
    """validate_after: an idle connection answers a PING before it is lent."""

    @pytest.fixture
    def pings(self, admin):
        """Count the PINGs that the server has answered."""
        admin.config_resetstat()
        return lambda: admin.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"]

    @pytest.mark.parametrize(
        ("validate_after", "idle_for", "expected"),
        [(30, 29, 0), (30, 31, 1), (0, 0, 1), (None, 10**6, 0), (3600, 3599, 0), (3600, 3601, 1)],
    )
    def test_one_is_asked_after_so_many_seconds(
        self, url, clock, pings, validate_after, idle_for, expected
    ):
        """0: always; None: never; and it is the same connection that is lent then."""
        with RedisPool.from_url(url, validate_after=validate_after, **FOR_EVER) as pool:
            connection = pool.get_connection()
            pool.release(connection)
            clock.advance(idle_for)

            assert pool.get_connection() is connection
            assert pings() == expected
            pool.release(connection)

    def test_who_waits_for_nobody_is_lent_one_that_answers(self, url, clock, pings):
        """timeout=0: no place in the queue, but time enough for a PING."""
        with RedisPool.from_url(url, max_connections=3, timeout=0, **FOR_EVER) as pool:
            pool.timeout = 5.0
            taken = [pool.get_connection() for _ in range(3)]
            for connection in taken:
                pool.release(connection)
            pool.timeout = 0.0
            clock.advance(31)

            assert pool.get_connection() is taken[-1]
            assert (pool.stats().idle, pings()) == (2, 1)
            pool.release(taken[-1])

    def test_waiter_is_handed_one_that_was_in_use(self, url, pings):
        """It has not idled, so there is nothing to ask."""
        with RedisPool.from_url(url, max_connections=1, timeout=20, validate_after=30) as pool:
            kept = pool.get_connection()
            waiter = spawn(pool.get_connection)
            wait_until(lambda: pool.stats().waiting == 1)
            pool.release(kept)
            pool.release(waiter.result())

        assert pings() == 0

    def test_one_that_does_not_answer_is_renewed(self, redis_server, admin, clock):
        """Open on our side and forgotten on the way: nothing tells but the question."""
        with (
            FaultyProxy(redis_server.port) as proxy,
            RedisPool.from_url(proxy.url, timeout=2, **FOR_EVER) as pool,
        ):
            connection = pool.get_connection()
            pool.release(connection)
            clock.advance(31)
            proxy.forget()
            fresh = pool.get_connection()

            assert fresh is not connection
            assert pool.stats().discarded == {"stale": 1}
            pool.release(fresh)


class TestRenewing:
    """After a restart: dead ones are renewed, not all at once."""

    def test_no_more_dial_at_once_than_may(self, clock):
        """Eight callers find eight dead connections; two dial at a time."""
        dials, most, running = threading.Lock(), [0], [0]
        dialled = threading.Semaphore(0)

        def dial() -> None:
            with dials:
                running[0] += 1
                most[0] = max(most[0], running[0])
            dialled.acquire(timeout=20)
            with dials:
                running[0] -= 1

        pool = RedisPool(StubConnection, 8, 30.0, max_connecting=2, script=(script := []))
        taken = [pool.get_connection() for _ in range(8)]
        for connection in taken:
            pool.release(connection)
            connection.disconnect()
        script.extend([dial] * 8)
        clock.advance(1)
        callers = [spawn(pool.get_connection) for _ in range(8)]
        wait_until(lambda: pool.stats().waiting == 6 and running[0] == 2)
        dialled.release(8)
        served = [caller.result() for caller in callers]

        assert len({id(connection) for connection in served}) == 8
        assert most == [2]
        assert pool.stats().discarded == {"stale": 8}
        assert (pool.stats().acquired, pool.stats().in_use) == (16, 8)

    def test_dead_ones_are_met_by_the_first_who_come(self, clock):
        """A caller closes what is dead on its way to a good one, and dials once."""
        pool = RedisPool(StubConnection, 4, 30.0)
        taken = [pool.get_connection() for _ in range(4)]
        for connection in taken:
            pool.release(connection)
        for connection in taken[1:]:
            connection.disconnect()
        clock.advance(1)  # else they count as used a moment ago

        assert pool.get_connection() is taken[0]
        assert (pool.stats().created, pool.stats().discarded) == (4, {"stale": 3})
        pool.release(taken[0])


class TestSlowDials:
    """A server that takes its time to let anybody in."""

    def test_who_waits_for_a_dial_in_vain_is_told_that_it_is_the_dial(self, redis_server):
        """One at a time may dial, the server answers nobody, and no connection is in use."""
        with FaultyProxy(redis_server.port) as proxy:
            proxy.swallow()
            with RedisPool.from_url(
                proxy.url, max_connections=8, max_connecting=1, timeout=5
            ) as pool:
                dialler = spawn(pool.get_connection)
                wait_until(lambda: pool.stats().connecting == 1)
                pool.timeout = 0.2
                with pytest.raises(ConnectionPoolTimeoutError, match="take long to make"):
                    pool.get_connection()
                proxy.resume()
                pool.release(dialler.result())


class TestServerFull:
    """`maxclients`: the server takes no more, and is not down."""

    @pytest.fixture
    def server(self) -> Iterator[EmbeddedRedis]:
        """A server that takes two clients."""
        with EmbeddedRedis("--maxclients", "2") as server:
            yield server

    @pytest.fixture
    def other(self, server) -> Iterator[redis.Redis]:
        """Somebody else's connection."""
        with redis.Redis(port=server.port) as other:
            other.ping()
            yield other

    @pytest.fixture
    def pool(self, server) -> Iterator[RedisPool]:
        """A pool that would have four, with patience."""
        with RedisPool.from_url(server.url, max_connections=4, timeout=30) as pool:
            yield pool

    def test_refused_caller_waits_for_one_that_circulates(self, pool, other):
        """Its dial was refused; it has its turn with what comes back."""
        kept = pool.get_connection()
        caller = spawn(pool.get_connection)
        wait_until(lambda: is_full(pool) and pool.stats().waiting == 1)
        pool.release(kept)

        assert caller.result() is kept
        stats = pool.stats()
        assert (stats.acquired, stats.unavailable, stats.circuit) == (2, 0, "closed")
        assert stats.create_failures >= 1
        pool.release(kept)

    def test_those_behind_it_do_not_dial(self, pool, other):
        """Not one after the other, each to be refused."""
        pool._ledger.max_connecting = 1
        kept = pool.get_connection()
        callers = [spawn(pool.get_connection)]
        wait_until(lambda: is_full(pool) and pool.stats().waiting == 1)
        pool._ledger.server_full.until += 3600
        callers += [spawn(pool.get_connection) for _ in range(3)]
        wait_until(lambda: pool.stats().waiting == 4)
        refused = pool.stats().create_failures
        pool.release(kept)
        for _ in range(4):
            wait_until(lambda: any(not c.is_alive() for c in callers))
            ended = next(caller for caller in callers if not caller.is_alive())
            callers.remove(ended)
            pool.release(ended.result())

        assert callers == []
        assert pool.stats().create_failures == refused
        assert pool.stats().created == 1

    def test_full_queue_does_not_send_it_away(self, server, other):
        """It was let in before those who fill the queue now."""
        with (
            FaultyProxy(server.port) as proxy,
            RedisPool.from_url(proxy.url, timeout=30, max_waiting=1, max_connecting=1) as pool,
        ):
            kept = pool.get_connection()
            proxy.swallow()
            first = spawn(pool.get_connection)
            wait_until(lambda: pool.stats().connecting == 1)
            second = spawn(pool.get_connection)
            wait_until(lambda: pool.stats().waiting == 1)
            proxy.resume()
            wait_until(lambda: pool.stats().waiting == 2 or not first.is_alive())
            pool.release(kept)

            pool.release(first.result())
            pool.release(second.result())

    def test_without_a_connection_of_its_own_it_is_told(self, server, pool, other):
        """Nothing will come back: waiting would be in vain."""
        with redis.Redis(port=server.port) as another:
            another.ping()
            for _ in range(2):  # in the pause, too
                with pytest.raises(PoolUnavailableError) as caught:
                    pool.get_connection()
                pool._ledger.server_full.until += 3600

        assert "max number of clients" in str(caught.value.__cause__)
        stats = pool.stats()
        assert (stats.in_use, stats.connecting, stats.unavailable) == (0, 0, 2)

    def test_it_dials_again_when_the_pause_is_over(self, pool, other, clock):
        """Somebody else has gone by then; who waited is served though nothing came back."""
        kept = pool.get_connection()
        caller = spawn(pool.get_connection)
        wait_until(lambda: is_full(pool) and pool.stats().waiting == 1)
        other.close()
        clock.advance(FULL_PAUSE)

        assert caller.result() is not kept
        assert not is_full(pool)
        pool.release(kept)
        pool.release(caller.value)

    def test_message_names_the_servers_limit(self, pool, other):
        """Raising MAX_CONNECTIONS would not help."""
        kept = pool.get_connection()
        pool.timeout = 0.3
        with pytest.raises(
            ConnectionPoolTimeoutError,
            match=r"no connection within 0\.30 s .*: raise its maxclients, or lower MAX_CONN",
        ) as caught:
            pool.get_connection()

        assert "max number of clients" in str(caught.value.__cause__)
        assert pool.stats().timed_out == 1
        pool.release(kept)

    def test_server_that_goes_down_after_it_is_told_from_a_full_one(self, server, pool, other):
        """What was known of its being full is of no use any more: the caller is told at once."""
        kept = pool.get_connection()
        pool.timeout = 0.1
        with pytest.raises(ConnectionPoolTimeoutError):
            pool.get_connection()
        pool.timeout = 30
        server.stop()
        pool._ledger.server_full.until = 0.0
        with pytest.raises(PoolUnavailableError, match="the dial failed"):
            pool.get_connection()

        assert not is_full(pool)
        pool.release(kept)


def is_full(pool: RedisPool) -> bool:
    return pool._ledger.server_full.error is not None
