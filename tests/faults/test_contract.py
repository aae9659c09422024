"""What a fault may cost at most: failover, a full server, long blocking, a look before sending."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import redis

from redis_pool_ext import ConnectionPoolTimeoutError, PoolUnavailableError, RedisPool
from redis_pool_ext.pooling.liveness import looks_alive

from ..support.leases import age
from ..support.threads import spawn, wait_until
from .kinds import SOCKET_TIMEOUT, TIMEOUT
from .scene import KEY, VALUE, assert_whole

SIZE = 4


@pytest.fixture
def admin(server) -> Iterator[redis.Redis]:
    """A plain client of that server."""
    with server.admin() as admin:
        yield admin


@pytest.fixture
def pool(server) -> Iterator[RedisPool]:
    """A pool of four, with four idle connections."""
    with RedisPool.from_url(
        server.url, max_connections=SIZE, timeout=TIMEOUT, socket_timeout=SOCKET_TIMEOUT
    ) as pool:
        pool.warm_up(SIZE, timeout=10)
        yield pool


class TestFailover:
    """The server became a replica: its name may mean another one by now."""

    @pytest.fixture(autouse=True)
    def _demoted(self, admin, pool):
        pool._ledger.generation_since -= 1  # the last generation is not of this moment
        admin.execute_command("REPLICAOF", "127.0.0.1", "1")

    def test_readonly_costs_one_error_and_renews_the_idle_connections(self, admin, pool):
        """The others would meet the same replica, each at the price of one more error."""
        old = list(pool._ledger.idle)
        with pytest.raises(redis.exceptions.ReadOnlyError):
            pool.client.set(KEY, "text")
        assert pool.stats().idle == 0
        assert not any(connection.is_connected for connection in old)

        admin.execute_command("REPLICAOF", "NO", "ONE")  # as the name's next server would
        assert pool.client.set(KEY, "text")
        assert_whole(pool)

    def test_readonly_in_a_lease_costs_one_error(self, admin, pool):
        """Its next command is dialled anew: by then the name may mean the new master."""
        with pool.lease() as client:
            with pytest.raises(redis.exceptions.ReadOnlyError):
                client.set(KEY, "text")
            before = client.connection_pool.held[0]._sock
            admin.execute_command("REPLICAOF", "NO", "ONE")
            assert client.set(KEY, "text")
            assert client.connection_pool.held[0]._sock is not before
        assert_whole(pool)

    def test_readonly_for_ever_is_no_storm_of_dials(self, pool):
        """A program that writes to a replica by mistake ends one generation a second."""
        for _ in range(5 * SIZE):
            with pytest.raises(redis.exceptions.ReadOnlyError):
                pool.client.set(KEY, "text")

        assert pool.stats().generation <= 2
        assert pool.client.get(KEY) == VALUE
        assert_whole(pool)

    def test_readonly_in_a_pipeline_renews_the_connection_too(self, pool):
        """It is one reply among others, and no exception of the connection's."""
        pipeline = pool.client.pipeline(transaction=False).get(KEY).set(KEY, "text").get(KEY)
        replies = pipeline.execute(raise_on_error=False)

        assert replies[0] == replies[2] == VALUE
        assert isinstance(replies[1], redis.exceptions.ReadOnlyError)
        assert pool.stats().discarded["read only"] == 1
        assert_whole(pool)

    def test_readonly_in_a_transaction_renews_the_connection_too(self, pool):
        """The refusal comes while the transaction is put together, and EXEC aborts it."""
        with pytest.raises(redis.RedisError):
            pool.client.pipeline().set(KEY, "text").execute()

        assert pool.stats().discarded["read only"] == 1
        assert_whole(pool)


class TestFullServer:
    """`maxclients` reached: what the pool has is shared, and no storm of dials begins."""

    @pytest.fixture
    def full(self, admin, pool) -> RedisPool:
        """The pool with one connection, and no room for a second."""
        pool.resize(1)
        pool.resize(SIZE)
        wait_until(lambda: admin.info("clients")["connected_clients"] == 2)
        admin.config_set("maxclients", 2)
        return pool

    def test_borrowers_share_the_connections_that_there_are(self, full):
        """Whoever cannot dial waits for one to come back."""
        with full.lease() as client:
            client.ping()
            waiting = spawn(lambda: full.client.get(KEY))
            wait_until(lambda: full.stats().waiting == 1)
        assert waiting.result() == VALUE
        assert full.stats().circuit == "closed"

    def test_dials_are_few_while_the_server_is_full(self, full, clock):
        """Ten callers, one connection: the first dial is in vain, the others wait."""
        with full.lease() as client:
            client.ping()
            callers = [spawn(full.get_connection) for _ in range(10)]
            with clock.bounded(TIMEOUT):
                for caller in callers:
                    with pytest.raises(ConnectionPoolTimeoutError, match="maxclients"):
                        caller.result()
        assert full.stats().create_failures <= full.max_connecting

    def test_first_of_all_is_told_that_the_server_has_no_room(self, server, admin, full, clock):
        """Without a connection of its own there is nothing to wait for."""
        full.disconnect()
        wait_until(lambda: admin.info("clients")["connected_clients"] == 1)
        other = server.admin()
        other.ping()
        with pytest.raises(PoolUnavailableError) as caught, clock.bounded(TIMEOUT):
            full.client.ping()
        assert "max number of clients" in str(caught.value.__cause__)

        admin.config_set("maxclients", 100)
        other.close()
        wait_until(full.client.ping)
        assert_whole(full)

    def test_room_that_comes_back_is_used(self, admin, full):
        """After its pause the pool dials again, and all slots are good."""
        with full.lease() as client:
            client.ping()
            with pytest.raises(ConnectionPoolTimeoutError):
                full.get_connection()
            admin.config_set("maxclients", 100)
            full.timeout = 10.0
            assert full.client.ping()
        assert_whole(full)


class TestBlocking:
    """A command's own timeout comes in addition to socket_timeout."""

    def test_empty_queue_is_not_taken_for_a_broken_network(self, pool, clock):
        """BLPOP for longer than socket_timeout ends with nothing, and no error."""
        with clock.bounded(2 * SOCKET_TIMEOUT + SOCKET_TIMEOUT):
            assert pool.client.blpop(["nothing"], 2 * SOCKET_TIMEOUT) is None
        assert pool.stats().created == SIZE
        assert_whole(pool)

    def test_blocking_without_end_outlives_socket_timeout(self, admin, pool):
        """BLPOP key 0 waits until there is something."""
        popped = spawn(lambda: pool.client.blpop(["queue"], 0))
        wait_until(lambda: admin.info("clients")["blocked_clients"] == 1)
        popped.join(3 * SOCKET_TIMEOUT)
        assert popped.is_alive()
        admin.rpush("queue", "one")

        assert list(popped.result()) == [b"queue", b"one"]
        assert_whole(pool)

    def test_frozen_server_costs_both_timeouts(self, server, pool, clock):
        """Whoever waits for a list still finds out that nobody is there."""
        with pool.lease() as client:
            client.ping()
            server.freeze()
            with (
                pytest.raises(redis.TimeoutError),
                clock.bounded(SOCKET_TIMEOUT + SOCKET_TIMEOUT),
            ):
                client.blpop(["nothing"], SOCKET_TIMEOUT)
            server.thaw()
            assert client.get(KEY) == VALUE
        assert_whole(pool)

    def test_next_command_has_socket_timeout_alone(self, server, pool, clock):
        """The patience with BLPOP does not stay on the connection."""
        with pool.lease() as client:
            client.blpop(["nothing"], 2 * SOCKET_TIMEOUT)
            server.freeze()
            with pytest.raises(redis.TimeoutError), clock.bounded(SOCKET_TIMEOUT):
                client.get(KEY)
            server.thaw()
        assert_whole(pool)


class TestLookBeforeSending:
    """A lease whose socket died between two commands."""

    def test_killed_between_two_commands_costs_a_lease_nothing(self, admin, pool):
        """Nothing was sent and no state is lost: one silent dial."""
        with pool.lease() as client:
            client.ping()
            held = client.connection_pool.held[0]
            admin.client_kill_filter(_type="normal", skipme=True)
            wait_until(lambda: not looks_alive(held))
            age(client)
            assert client.get(KEY) == VALUE
            assert client.pipeline().get(KEY).execute() == [VALUE]
        assert_whole(pool)

    def test_outage_between_two_commands_is_told_as_unavailable(self, server, pool, clock):
        """The look finds the socket dead, and the silent dial finds nobody."""
        with pool.lease() as client:
            client.ping()
            held = client.connection_pool.held[0]
            server.stop()
            wait_until(lambda: not looks_alive(held))
            age(client)
            with pytest.raises(PoolUnavailableError), clock.bounded(0):
                client.get(KEY)
            server.start()
            assert client.get(KEY) is None
        assert_whole(pool)

    def test_every_lease_between_two_commands_survives_a_restart(self, server, pool):
        """All slots are leased: no error in any, and no connection too many."""
        ready, is_back = threading.Barrier(SIZE + 1), threading.Event()

        def lease() -> bool:
            with pool.lease() as client:
                client.ping()
                ready.wait(20)
                is_back.wait(20)
                age(client)
                return client.ping()

        leases = [spawn(lease) for _ in range(SIZE)]
        ready.wait(20)
        server.restart()
        is_back.set()

        assert all(leased.result() for leased in leases)
        assert_whole(pool)
