"""The lease and its client, on a real server."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_pool_ext import (
    ConnectionPoolTimeoutError,
    LeaseError,
    LeaseStateLostError,
    PoolExhaustedError,
    RedisPool,
)
from redis_pool_ext.liveness import looks_alive

from .support.proxy import FaultyProxy
from .support.threads import spawn, wait_until


@pytest.fixture
def pool(url):
    """A pool of two, with patience enough for a dial on a busy machine."""
    with RedisPool.from_url(url, max_connections=2, timeout=1) as pool:
        yield pool


def connections(admin: redis.Redis) -> int:
    """Count the connections on the server, `admin`'s own left out."""
    return len(admin.client_list()) - 1


class TestHolding:
    """Taking a connection, once, and giving it back."""

    def test_unused_lease_takes_no_connection(self, pool):
        """A borrower that never talks to Redis takes no slot."""
        with pool.lease():
            assert pool.stats().in_use == 0

        assert pool.stats().created == 0

    def test_first_command_takes_one_connection(self, pool):
        """It is held to the end of the block, and given back."""
        with pool.lease() as client:
            client.set("k", "v")
            client.get("k")
            assert pool.stats().in_use == 1

        stats = pool.stats()
        assert (stats.in_use, stats.idle, stats.acquired) == (0, 1, 1)

    def test_client_is_a_redis_client(self, pool):
        """Type checks, and libraries that make them, are content."""
        with pool.lease() as client:
            assert isinstance(client, redis.Redis)
            assert client.set("k", 1)
            assert client.hset("h", mapping={"a": 1}) == 1
            assert client.hgetall("h") == {b"a": b"1"}

    def test_one_connection_serves_twenty_borrowers_in_turn(self, pool, admin):
        """20 threads one after the other open one connection on the server."""

        def borrow() -> None:
            with pool.lease() as client:
                client.incr("hits")

        for _ in range(20):
            spawn(borrow).result()

        assert connections(admin) == 1
        assert admin.get("hits") == b"20"

    def test_early_release_gives_the_connection_back(self, pool):
        """The next command takes one again."""
        with pool.lease() as client:
            client.ping()
            client.release()
            assert pool.stats().in_use == 0
            client.ping()
            assert pool.stats().in_use == 1

    def test_hold_command_borrows_per_command(self, url):
        """With hold="command" nothing is held between two commands."""
        with RedisPool.from_url(url, hold="command") as pool, pool.lease() as client:
            client.ping()
            assert pool.stats().in_use == 0
            with client.pipeline() as pipe:
                pipe.watch("k")
                assert pool.stats().in_use == 1
            assert pool.stats().in_use == 0

    def test_exhausted_pool_raises_at_the_first_command(self, pool):
        """The wait is the pool's, and so is the error."""
        with pool.lease() as one, pool.lease() as two, pool.lease() as three:
            one.ping()
            two.ping()
            with pytest.raises(ConnectionPoolTimeoutError):
                three.ping()

    def test_request_waits_once(self, url):
        """What a refusal has left of the timeout is all that the lease has: it asks, no more."""
        with RedisPool.from_url(url, max_connections=1) as pool:
            kept = pool.get_connection()
            pool.timeout = 0.4
            with pool.lease(waits_once=True) as client:
                began = time.monotonic()
                for _ in range(5):
                    with pytest.raises(ConnectionPoolTimeoutError):
                        client.ping()
                assert time.monotonic() - began < 0.8  # not five times 0.4
                pool.release(kept)
                assert client.ping()

    def test_task_may_wait_again(self, url):
        """A lease of a task that tries again later has its whole timeout each time."""
        with RedisPool.from_url(url, max_connections=1) as pool:
            kept = pool.get_connection()
            pool.timeout = 0.05
            with pool.lease() as client:
                for _ in range(2):
                    with pytest.raises(ConnectionPoolTimeoutError):
                        client.ping()
            assert pool.stats().wait_seconds > 0.075
            pool.release(kept)

    def test_raising_block_gives_the_connection_back(self, pool):
        """An error of the borrower costs no slot."""
        with pytest.raises(ZeroDivisionError), pool.lease() as client:
            client.ping()
            raise ZeroDivisionError

        assert pool.stats().in_use == 0

    def test_forgotten_lease_loses_no_slot(self, pool):
        """A lease that is never ended gives back when it is dropped."""
        client = pool.lease().client()
        client.ping()
        del client

        assert pool.stats().in_use == 0


class TestStaying:
    """What a client makes stays on the leased connection."""

    def test_pipelines_transactions_locks_and_scripts_take_no_second(self, url):
        """All of them work in a pool of one."""
        with RedisPool.from_url(url, max_connections=1, timeout=5) as pool:
            with pool.lease() as client:
                client.set("n", 1)
                with client.pipeline() as pipe:
                    assert pipe.incr("n").incr("n").execute() == [2, 3]
                with client.pipeline(transaction=False) as pipe:
                    assert pipe.get("n").get("n").execute() == [b"3", b"3"]
                assert client.transaction(lambda p: (p.multi(), p.incr("n")), "n") == [4]
                with client.lock("lock", timeout=5):
                    assert client.register_script("return ARGV[1]")(args=["x"]) == b"x"
                assert list(client.scan_iter("n")) == [b"n"]
                assert client.client().get("n") == b"4"

            assert pool.stats().created == 1

    def test_command_inside_a_watch_shares_the_connection(self, pool):
        """One borrower, one connection, also between WATCH and EXEC."""
        with pool.lease() as client, client.pipeline() as pipe:
            pipe.watch("n")
            assert client.get("other") is None
            pipe.multi()
            pipe.set("n", 1)
            assert pipe.execute() == [True]
            assert pool.stats().created == 1

    def test_pubsub_takes_its_own_and_brings_it_back(self, pool, admin):
        """A subscription has a connection of its own, which ends with the lease."""
        with pool.lease() as client:
            pubsub = client.pubsub()
            pubsub.subscribe("news")
            assert pubsub.get_message(timeout=2)["type"] == "subscribe"
            client.publish("news", "hello")
            assert pubsub.get_message(timeout=2)["data"] == b"hello"
            assert pool.stats().in_use == 2

        assert pool.stats().in_use == 0
        wait_until(lambda: admin.pubsub_numsub("news") == [(b"news", 0)])

    def test_closed_pubsub_brings_its_connection_back_at_once(self, pool):
        """As redis-py's does."""
        with pool.lease() as client:
            with client.pubsub() as pubsub:
                pubsub.subscribe("news")
                assert pool.stats().in_use == 1
            assert pool.stats().in_use == 0

    def test_monitor_takes_its_own_and_brings_it_back(self, pool):
        """MONITOR has a connection of its own, too."""
        with pool.lease() as client:
            with client.monitor() as monitor:
                client.get("watched")
                assert any("watched" in heard["command"] for heard in monitor.listen())
            assert pool.stats().in_use == 1

        assert pool.stats().in_use == 0

    def test_response_callback_is_for_one_client(self, pool):
        """Callbacks are shared by leases, and copied by the one that changes them."""
        with pool.lease() as one, pool.lease() as two:
            one.set_response_callback("ping", lambda _reply: "mine")

            assert one.ping() == "mine"
            assert two.ping() is True


class TestCleanReturn:
    """What the next borrower would notice is not handed on."""

    @pytest.mark.parametrize("protocol", [2, 3])
    @pytest.mark.parametrize(
        "command",
        [
            ("SELECT", 5),
            ("select", "5"),
            (b"WATCH", "k"),
            ("MULTI",),
            ("CLIENT SETNAME", "me"),
            ("CLIENT", "NO-EVICT", "ON"),
            ("SUBSCRIBE", "news"),
            ("MONITOR",),
            ("AUTH", "x"),
            ("CLIENT", "REPLY", "SKIP"),
        ],
        ids=lambda command: " ".join(map(str, command)),
    )
    def test_sticky_command_costs_its_connection(self, url, admin, command, protocol, caplog):
        """A connection that was changed is closed, and a warning names who did it."""
        with RedisPool.from_url(url, protocol=protocol, timeout=1, socket_timeout=0.2) as pool:
            # A refused AUTH, a reply that was told not to come: the state counts, not the answer.
            with pool.lease("GET /odd") as client, suppress(redis.RedisError):
                client.execute_command(*command)
            stats = pool.stats()

        assert stats.idle == 0
        assert stats.in_use == 0
        assert stats.discarded in ({"dirty": 1}, {"error": 1})
        assert ("instead of reused: left in" in caplog.text) == ("dirty" in stats.discarded)
        assert ("GET /odd" in caplog.text) == ("dirty" in stats.discarded)

    def test_warning_names_the_borrower_as_it_is_called_at_the_end(self, url, caplog):
        """A request's name grows while it runs: the view is known later than the path."""
        with RedisPool.from_url(url) as pool, pool.lease("GET /odd") as client:
            client.select(3)
            client.connection_pool.holder = "GET /odd (views.odd)"
            client.release()

        assert "by GET /odd (views.odd)" in caplog.text

    @pytest.mark.parametrize(
        "command", [("CLIENT", "ID"), ("CLIENT INFO",), ("client", "getname"), ("PING",)]
    )
    def test_harmless_command_keeps_its_connection(self, pool, command):
        """Looking changes nothing."""
        with pool.lease() as client:
            client.execute_command(*command)

        assert pool.stats().idle == 1

    def test_finished_transaction_keeps_its_connection(self, pool):
        """EXEC ends WATCH and MULTI, so nothing is left."""
        with pool.lease() as client:
            client.execute_command("WATCH", "k")
            client.execute_command("MULTI")
            client.execute_command("EXEC")

        assert pool.stats().idle == 1

    def test_unwatched_connection_is_kept(self, pool):
        """A pipeline that watched and gave up cleans up after itself."""
        with pool.lease() as client, client.pipeline() as pipe:
            pipe.watch("k")

        assert pool.stats().idle == 1

    def test_exec_without_multi_leaves_the_watch(self, pool):
        """A refused EXEC or DISCARD ends no WATCH: the connection is not reused."""
        with pool.lease() as client:
            client.execute_command("WATCH", "k")
            with pytest.raises(redis.ResponseError):
                client.execute_command("DISCARD")

        assert pool.stats().discarded == {"dirty": 1}

    def test_unread_reply_costs_its_connection(self, pool):
        """Sent minus read is not zero: the next borrower would read that reply."""
        with pool.lease() as client:
            connection = client.connection_pool.get_connection()
            connection.send_command("ECHO", "secret")
            client.connection_pool.release(connection)
        with pool.lease() as client:
            assert client.echo("mine") == b"mine"

        assert pool.stats().discarded == {"dirty": 1}

    def test_unread_reply_does_not_answer_the_next_command(self, pool):
        """Nor within one lease."""
        with pool.lease() as client:
            connection = client.connection_pool.get_connection()
            connection.send_command("ECHO", "old")
            client.connection_pool.release(connection)

            assert client.echo("new") == b"new"

    def test_raising_callback_in_a_pipeline_leaves_nothing_unread_to_others(self, pool):
        """A callback that raises leaves replies unread; nobody else reads them."""

        def fail(_reply):
            raise ZeroDivisionError

        with pool.lease() as client:
            client.set_response_callback("GET", fail)
            pipe = client.pipeline(transaction=False)
            pipe.get("a")
            pipe.echo("secret")
            with pytest.raises(ZeroDivisionError):
                pipe.execute()
            assert client.echo("mine") == b"mine"
        with pool.lease() as client:
            assert client.echo("mine") == b"mine"

    def test_clean_return_costs_no_round_trip(self, pool, admin):
        """The server hears the borrower's commands and nothing else."""
        with pool.lease() as client:
            client.ping()
        before = admin.info("stats")["total_commands_processed"]
        with pool.lease() as client:
            client.ping()

        assert admin.info("stats")["total_commands_processed"] - before == 2  # PING, INFO


class TestAfterTheEnd:
    """A lease that is over stays over."""

    def test_ended_lease_is_refused(self, pool):
        """No silent reconnect behind the user's back."""
        with pool.lease() as client:
            client.ping()
            pipe = client.pipeline()
            pipe.ping()
        for use in (client.ping, pipe.execute, client.pubsub().ping):
            with pytest.raises(LeaseError, match="has ended"):
                use()

        assert pool.stats().created == 1

    def test_escaped_pipeline_does_not_meet_the_next_borrower(self, pool):
        """A pipeline that still refers to the connection makes it unfit for reuse."""
        with pool.lease() as client:
            pipe = client.pipeline()
            pipe.watch("k")
            pipe.unwatch()  # clean by the books, but still in the pipeline's hands
        pipe.get("k")
        with pool.lease() as other:
            other.ping()
            with pytest.raises(redis.RedisError):
                pipe.execute()
            assert other.echo("mine") == b"mine"

    def test_escaped_pubsub_is_refused(self, pool):
        """A subscription ends with its lease and does not come back by itself."""
        with pool.lease() as client:
            pubsub = client.pubsub()
            pubsub.subscribe("news")
        with pytest.raises(LeaseError):
            pubsub.get_message(timeout=0.1)

    def test_ending_twice_is_fine(self, pool):
        """end() is idempotent."""
        lease = pool.lease()
        lease.client().ping()
        lease.end()
        lease.end()

        assert pool.stats().released == 1

    def test_lease_error_is_no_connection_error(self):
        """A mistake in the program is not taken for an outage."""
        assert not issubclass(LeaseError, redis.ConnectionError)
        assert not issubclass(LeaseError, PoolExhaustedError)


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


class TestSharing:
    """Threads that share one lease take turns."""

    def test_shared_lease_gives_each_sharer_its_own_reply(self, pool):
        """Eight threads on one leased client never mix up their replies."""
        wrong = []

        def talk(client, number):
            for i in range(300):
                text = f"{number}-{i}".encode()
                if client.echo(text) != text:
                    wrong.append(text)

        with pool.lease() as client:
            for thread in [spawn(talk, client, n) for n in range(8)]:
                thread.result()

        assert wrong == []
        assert pool.stats().created == 1

    def test_turn_is_waited_for_no_longer_than_the_timeout(self, pool):
        """A thread that keeps the lease busy does not block others for ever."""
        with pool.lease() as client, client.pipeline() as pipe:
            pipe.watch("k")
            other = spawn(client.get, "k")
            with pytest.raises(ConnectionPoolTimeoutError, match="another thread"):
                other.result()

    def test_lease_that_ends_during_a_command_gives_back_as_that_sharer_leaves(self, pool):
        """The exchange is cut short, its connection closed by who uses it, and not reused."""
        lease = pool.lease()
        client = lease.client()
        client.ping()
        blocked = spawn(client.blpop, "nothing", 0)
        wait_until(lambda: lease.is_talking and lease.held[0].pending == 1)
        lease.end()

        with pytest.raises(redis.RedisError):
            blocked.result()
        stats = pool.stats()
        assert (stats.in_use, stats.idle, stats.discarded) == (0, 0, {"forfeited": 1})
        assert stats.double_releases == 0

    def test_lease_that_ends_during_a_dial_does_not_count_against_the_server(self, redis_server):
        """A dial that we cut ourselves says nothing about the server."""
        with (
            FaultyProxy(redis_server.port) as proxy,
            RedisPool.from_url(proxy.url, timeout=5, max_connections=2) as pool,
        ):
            lease = pool.lease()
            client = lease.client()
            client.ping()
            proxy.delay = 0.2
            lease.held[0].disconnect()
            dialling = spawn(client.ping)
            wait_until(lambda: pool.stats().connecting == 1)
            lease.end()
            dialling.result()
            stats = pool.stats()

        assert (stats.create_failures, stats.in_use) == (0, 0)

    def test_lease_may_end_in_another_thread(self, pool):
        """A response is often closed elsewhere than where its view ran."""
        done = threading.Event()
        lease = pool.lease()
        lease.client().ping()
        spawn(lambda: (lease.end(), done.set())).result()

        assert done.is_set()
        assert pool.stats().in_use == 0
