"""A real server that dies, hangs, loads, refuses or throws its clients out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import redis

from redis_pool_ext import LeaseStateLostError, PoolUnavailableError, RedisPool
from redis_pool_ext.books.circuit import BACKOFF_BASE, FAILURES_TO_OPEN
from redis_pool_ext.pooling.liveness import looks_alive

from ..support.leases import age
from ..support.threads import spawn, wait_until
from .kinds import LARGE_VALUE, SOCKET_TIMEOUT, TIMEOUT
from .parsers import IS_LONG, PARSERS
from .scene import KEY, VALUE, assert_whole, serves

ROUNDS = range(10 if IS_LONG else 1)
SIZE = 4


@pytest.fixture
def admin(server) -> Iterator[redis.Redis]:
    """A plain client of that server."""
    with server.admin() as admin:
        yield admin


@pytest.fixture(params=PARSERS if IS_LONG else ["resp2-python", "resp3-hiredis"])
def pool(server, request) -> Iterator[RedisPool]:
    """A pool of four, with one connection idle."""
    with RedisPool.from_url(
        server.url,
        max_connections=SIZE,
        timeout=TIMEOUT,
        socket_timeout=SOCKET_TIMEOUT,
        **PARSERS[request.param],
    ) as pool:
        wait_until(lambda: serves(pool))
        yield pool


def fill(pool: RedisPool) -> list:
    """Make all connections idle ones; return them."""
    pool.warm_up(SIZE, timeout=10)
    return list(pool._ledger.idle)


def blocked(admin: redis.Redis) -> int:
    return admin.info("clients")["blocked_clients"]


def kill_all(admin: redis.Redis) -> None:
    admin.client_kill_filter(_type="normal", skipme=True)


def assert_recovered(pool: RedisPool, clock) -> None:
    with clock.bounded(BACKOFF_BASE):
        wait_until(lambda: serves(pool))
    assert_whole(pool)


class TestRestart:
    """Killed with -9, and started again on the same port."""

    @pytest.mark.parametrize("_round", ROUNDS)
    def test_restart_costs_idle_connections_nothing(self, server, pool, _round):
        """Each borrower gets a connection to the new server, and no error."""
        fill(pool)
        server.restart()

        for _ in range(2 * SIZE):
            assert pool.client.ping()
        assert_whole(pool)

    @pytest.mark.parametrize("_round", ROUNDS)
    def test_restart_costs_a_lease_between_two_commands_nothing(self, server, pool, _round):
        """Nothing was sent and no state is lost, so it dials anew in silence."""
        with pool.lease() as client:
            client.ping()
            server.restart()
            age(client)
            assert client.ping()
        assert_whole(pool)

    @pytest.mark.parametrize("_round", ROUNDS)
    def test_restart_costs_each_lease_in_a_command_one_error(self, server, admin, pool, _round):
        """Three wait for a reply that will not come; their next command is served."""

        is_back = threading.Event()

        def lease() -> bool:
            with pool.lease() as client:
                with pytest.raises(redis.ConnectionError):
                    client.blpop(["nothing"], 30)
                is_back.wait(20)
                return client.ping() and client.ping()

        leases = [spawn(lease) for _ in range(SIZE - 1)]
        wait_until(lambda: blocked(admin) == SIZE - 1)
        server.restart()
        is_back.set()

        assert all(leased.result() for leased in leases)
        assert_whole(pool)

    @pytest.mark.parametrize("_round", ROUNDS)
    def test_restart_under_a_watch_is_told(self, server, pool, _round):
        """A WATCH cannot be taken up again: the transaction ends, the lease goes on."""
        with pool.lease() as client:
            with client.pipeline() as watching:
                watching.watch(KEY)
                server.restart()
                watching.multi()
                watching.set(KEY, "text")
                with pytest.raises(redis.WatchError):
                    watching.execute()
            assert client.get(KEY) is None  # the new server is empty
        assert_whole(pool)

    def test_outage_is_told_at_once_and_ends_with_one_backoff_step(self, server, pool, clock):
        """Nobody listens on the port: no caller waits, then the circuit is open."""
        fill(pool)
        server.stop()
        for _ in range(FAILURES_TO_OPEN + 1):
            with pytest.raises(PoolUnavailableError), clock.bounded(0):
                pool.client.ping()
        assert pool.stats().circuit == "open"

        server.start()
        left = max(0.0, pool._ledger.circuit.next_probe - time.monotonic())
        with clock.bounded(left):
            wait_until(lambda: serves(pool))
        assert_whole(pool)


class TestFrozen:
    """The process stands still: its port accepts, nothing is answered."""

    def test_command_to_a_frozen_server_costs_socket_timeout(self, server, pool, clock):
        """Its late reply is read by nobody."""
        with pool.lease() as client:
            client.ping()
            server.freeze()
            with pytest.raises(redis.TimeoutError), clock.bounded(SOCKET_TIMEOUT):
                client.echo("late")
            server.thaw()
            assert client.echo("mine") == b"mine"
        assert_recovered(pool, clock)

    def test_dial_to_a_frozen_server_costs_the_timeout(self, server, pool, clock):
        """The kernel completes the connection, so that only the handshake hangs."""
        pool.disconnect()
        server.freeze()
        for _ in range(FAILURES_TO_OPEN):
            with pytest.raises(PoolUnavailableError), clock.bounded(TIMEOUT):
                pool.client.ping()
        with pytest.raises(PoolUnavailableError), clock.bounded(0.5 * TIMEOUT):
            pool.client.ping()

        server.thaw()
        assert_recovered(pool, clock)

    def test_large_request_to_a_frozen_server_costs_socket_timeout(self, server, pool, clock):
        """What the kernel does not take any more is not waited for without end."""
        with pool.lease() as client:
            client.ping()
            server.freeze()
            with pytest.raises(redis.TimeoutError), clock.bounded(SOCKET_TIMEOUT):
                client.set("other", b"x" * 30_000_000)
            server.thaw()
            assert client.get(KEY) == VALUE
        assert_recovered(pool, clock)


class TestThrownOut:
    """The server closes a connection of its own accord."""

    def test_killed_idle_connections_cost_nothing(self, admin, pool):
        """CLIENT KILL: each is found dead by a look, and renewed."""
        idle = fill(pool)
        kill_all(admin)
        wait_until(lambda: not any(looks_alive(connection) for connection in idle))

        for _ in range(2 * SIZE):
            assert pool.client.get(KEY) == VALUE
        assert_whole(pool)

    def test_killed_in_a_blocking_command_costs_one_error(self, admin, pool):
        """The command's fate is known to nobody, so it is not sent again."""

        def lease() -> bytes:
            with pool.lease() as client:
                with pytest.raises(redis.ConnectionError):
                    client.blpop(["nothing"], 30)
                return client.get(KEY)

        leased = spawn(lease)
        wait_until(lambda: blocked(admin) == 1)
        kill_all(admin)

        assert leased.result() == VALUE
        assert_whole(pool)

    def test_killed_with_another_database_selected_is_told(self, admin, pool):
        """Going on would be in another database: one error, and no lease in a wrong state."""
        with pool.lease() as client:
            client.select(3)
            connection = client.connection_pool.held[0]
            kill_all(admin)
            wait_until(lambda: not looks_alive(connection))
            with pytest.raises(redis.ConnectionError):
                client.get(KEY)
            with pytest.raises(LeaseStateLostError):
                client.get(KEY)
        assert_whole(pool)

    def test_idle_timeout_of_the_server_costs_nothing(self, admin, pool):
        """CONFIG SET timeout 1: what it has closed is found by a look."""
        idle = fill(pool)
        admin.config_set("timeout", 1)
        wait_until(lambda: not any(looks_alive(connection) for connection in idle))
        admin.config_set("timeout", 0)

        for _ in range(2 * SIZE):
            assert pool.client.get(KEY) == VALUE
        assert_whole(pool)

    def test_reply_over_the_output_limit_costs_one_error(self, admin, pool, clock):
        """The server hangs up instead of sending it; the lease goes on."""
        admin.set("large", LARGE_VALUE)
        admin.config_set("client-output-buffer-limit", "normal 100kb 0 0")
        with pool.lease() as client:
            with pytest.raises(redis.ConnectionError), clock.bounded(SOCKET_TIMEOUT):
                client.get("large")
            assert client.get(KEY) == VALUE
        assert_recovered(pool, clock)


class TestRefusing:
    """The server is there, and says no."""

    def test_loading_server_is_told_at_once(self, server, pool, clock):
        """Neither a timeout nor an outage: the server's own word, until it has loaded."""
        fill(pool)
        server.restart_slowly(0.5)
        with pytest.raises(redis.BusyLoadingError), clock.bounded(SOCKET_TIMEOUT):
            pool.client.get(KEY)

        wait_until(lambda: serves(pool))
        assert pool.client.get(KEY) == VALUE
        assert_whole(pool)

    def test_replica_without_its_master_is_told_and_its_connection_kept(self, admin, pool):
        """MASTERDOWN is a reply as any other: in step, so nothing is dialled anew."""
        created = pool.stats().created
        admin.config_set("replica-serve-stale-data", "no")
        admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        for _ in range(3):
            with pytest.raises(redis.ResponseError, match="MASTER"):
                pool.client.get(KEY)
        admin.execute_command("REPLICAOF", "NO", "ONE")

        assert pool.client.get(KEY) == VALUE
        assert pool.stats().created == created
        assert_whole(pool)

    def test_server_out_of_memory_is_told_and_its_connection_kept(self, admin, pool):
        """A refused write is a reply as any other."""
        created = pool.stats().created
        admin.config_set("maxmemory", 1)
        with pytest.raises(redis.ResponseError, match="memory"):
            pool.client.set("other", "text")
        admin.config_set("maxmemory", 0)

        assert pool.client.get(KEY) == VALUE
        assert pool.stats().created == created
        assert_whole(pool)

    def test_password_that_is_wrong_by_now_is_told_and_costs_no_slot(self, admin, pool, clock):
        """Those connected go on; each dial is refused, which is no outage."""
        admin.config_set("requirepass", "new")
        try:
            assert pool.client.get(KEY) == VALUE
            pool.disconnect()
            for _ in range(2 * SIZE):
                with pytest.raises(redis.AuthenticationError), clock.bounded(TIMEOUT):
                    pool.client.get(KEY)
            assert pool.stats().circuit == "closed"
        finally:
            admin.config_set("requirepass", "")
        assert_recovered(pool, clock)

    def test_user_who_may_not_ping_keeps_their_connection(self, server, admin):
        """An error is an answer, too: the server is there, and the connection in step."""
        admin.acl_setuser("one", enabled=True, nopass=True, keys="*", commands=["+@all", "-ping"])
        with RedisPool.from_url(server.url, username="one", password="x", validate_after=0) as pool:
            for _ in range(3):
                assert pool.client.get(KEY) == VALUE
            assert pool.stats().created == 1
