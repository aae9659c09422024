"""A leased socket that breaks, and the look at one that was not used for a while."""

from __future__ import annotations

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_pool_ext import LeaseStateLostError, RedisPool
from redis_pool_ext.pooling.liveness import looks_alive

from ..support.proxy import FaultyProxy
from ..support.threads import wait_until


class TestBrokenSocket:
    """The server or the network drops the connection while it is leased."""

    def kill(self, admin: redis.Redis, client: redis.Redis) -> None:
        admin.execute_command("CLIENT", "KILL", "ID", client.client_id())

    def test_stateless_lease_goes_on_after_one_error(self, pool, admin, clock):
        """The command that met the dead socket fails; the next one has a new connection."""
        clock.stop()  # too short a while for a look before the command
        with pool.lease() as client:
            self.kill(admin, client)
            with pytest.raises(redis.ConnectionError):
                client.ping()
            assert client.ping()
            assert pool.stats().in_use == 1

    @pytest.mark.parametrize("state", [("SELECT", 3), ("WATCH", "k"), ("MULTI",)])
    def test_lost_state_is_told(self, pool, admin, state):
        """A lease never goes on silently in another state."""
        with pool.lease() as client:
            number = client.client_id()
            client.execute_command(*state)
            admin.execute_command("CLIENT", "KILL", "ID", number)
            with pytest.raises(redis.ConnectionError):
                client.set("k", 1)
            for _ in range(2):
                with pytest.raises(LeaseStateLostError, match=state[0]):
                    client.set("k", 1)

        assert admin.get("k") is None

    def test_transaction_that_lost_its_watch_is_tried_again(self, pool, admin):
        """redis-py says WatchError, and its transaction() starts over on a new connection."""
        attempts = []

        def work(pipe):
            if not attempts:
                admin.execute_command("CLIENT", "KILL", "ID", number)
            attempts.append(1)
            pipe.get("n")
            pipe.multi()
            pipe.incr("n")

        with pool.lease() as client:
            number = client.client_id()
            assert client.transaction(work, "n") == [1]
        assert len(attempts) == 2


class TestLook:
    """A look at a leased socket that was not used for a while, before the next command."""

    @pytest.fixture
    def looks(self, monkeypatch):
        """Note the connections that are looked at."""
        seen: list[object] = []
        monkeypatch.setattr(
            "redis_pool_ext.lease.looks_alive",
            lambda connection: (seen.append(connection), looks_alive(connection))[1],
        )
        return seen

    @pytest.fixture
    def proxy(self, redis_server, admin):
        """The shared server behind a proxy that can cut."""
        with FaultyProxy(redis_server.port) as proxy:
            yield proxy

    @pytest.fixture
    def pool(self, proxy):
        """A pool through the proxy, that never tries a command again."""
        with RedisPool.from_url(proxy.url, retry=Retry(NoBackoff(), 0), timeout=5) as pool:
            yield pool

    def cut(self, proxy: FaultyProxy, client: redis.Redis) -> None:
        """Close the leased connection from outside, and see it arrive."""
        proxy.cut()
        connection = client.connection_pool.held[0]
        wait_until(lambda: not looks_alive(connection))
        connection._sock.settimeout(connection.socket_timeout)  # as it was before our look

    def test_dead_socket_is_renewed_before_anything_is_sent(self, pool, proxy, clock):
        """Also where nothing is tried twice: the command meets a new connection."""
        with pool.lease() as client:
            client.incr("hits")
            self.cut(proxy, client)
            clock.advance(1)
            assert client.incr("hits") == 2

        assert (pool.stats().created, pool.stats().acquired, pool.stats().idle) == (2, 1, 1)

    @pytest.mark.parametrize(
        "state", [("SELECT", 1), ("WATCH", "k"), ("MULTI",)], ids=lambda s: s[0]
    )
    def test_dead_socket_with_state_is_not_renewed(self, pool, proxy, clock, state):
        """First the error of the network, then the one that says what is lost."""
        with pool.lease() as client:
            client.execute_command(*state)
            self.cut(proxy, client)
            clock.advance(1)
            with pytest.raises(redis.RedisError):
                client.get("k")
            with pytest.raises(LeaseStateLostError, match=state[0]):
                client.get("k")

        assert pool.stats().created == 1

    def test_socket_in_use_a_moment_ago_is_not_looked_at(self, pool, clock, looks):
        """A view with fifty commands pays for none of it."""
        with pool.lease() as client:
            clock.stop()
            for _ in range(50):
                client.ping()

        assert looks == []

    def test_look_costs_the_server_nothing(self, pool, admin, clock, looks):
        """No round trip; what is alive stays."""
        with pool.lease() as client:
            client.ping()
            admin.config_resetstat()
            clock.advance(1)
            client.get("k")

        assert len(looks) == 1
        assert admin.info("commandstats")["cmdstat_get"]["calls"] == 1
        assert "cmdstat_ping" not in admin.info("commandstats")
        assert pool.stats().created == 1

    def test_pipeline_is_looked_after_as_well(self, pool, proxy, clock):
        """One exchange, one look."""
        with pool.lease() as client:
            client.ping()
            self.cut(proxy, client)
            clock.advance(1)

            assert client.pipeline().incr("hits").get("hits").execute() == [1, b"1"]
