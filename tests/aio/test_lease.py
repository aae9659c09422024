"""The lease of tasks and its client, on a real server.

The twin of tests/test_lease.py: the same promises under the same names.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_pool_ext import (
    AsyncRedisPool,
    ConnectionPoolTimeoutError,
    LeaseError,
    LeaseStateLostError,
    PoolExhaustedError,
)
from redis_pool_ext.aio.liveness import looks_alive

from ..support.proxy import FaultyProxy
from ..support.threads import spawn
from .pools import connections, pool_of
from .tasks import start, wait_until


class TestHolding:
    """Taking a connection, once, and giving it back."""

    async def test_unused_lease_takes_no_connection(self, url):
        """A borrower that never talks to Redis takes no slot."""
        async with pool_of(url) as pool:
            async with pool.lease():
                assert pool.stats().in_use == 0

            assert pool.stats().created == 0

    async def test_first_command_takes_one_connection(self, url):
        """It is held to the end of the block, and given back."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await client.set("k", "v")
                await client.get("k")
                assert pool.stats().in_use == 1
            stats = pool.stats()

        assert (stats.in_use, stats.idle, stats.acquired) == (0, 1, 1)

    async def test_client_is_a_redis_client(self, url):
        """Type checks, and libraries that make them, are content."""
        async with pool_of(url) as pool, pool.lease() as client:
            assert isinstance(client, redis.asyncio.Redis)
            assert await client.set("k", 1)
            assert await client.hset("h", mapping={"a": 1}) == 1
            assert await client.hgetall("h") == {b"a": b"1"}

    async def test_one_connection_serves_twenty_borrowers_in_turn(self, url, admin):
        """20 tasks one after the other open one connection on the server."""
        async with pool_of(url) as pool:

            async def borrow() -> None:
                async with pool.lease() as client:
                    await client.incr("hits")

            for _ in range(20):
                await start(borrow())

            assert connections(admin) == 1
        assert admin.get("hits") == b"20"

    async def test_early_release_gives_the_connection_back(self, url):
        """The next command takes one again."""
        async with pool_of(url) as pool, pool.lease() as client:
            await client.ping()
            await client.release()
            assert pool.stats().in_use == 0
            await client.ping()
            assert pool.stats().in_use == 1

    async def test_hold_command_borrows_per_command(self, url):
        """With hold="command" nothing is held between two commands."""
        async with pool_of(url, hold="command") as pool, pool.lease() as client:
            await client.ping()
            assert pool.stats().in_use == 0
            async with client.pipeline() as pipe:
                await pipe.watch("k")
                assert pool.stats().in_use == 1
            assert pool.stats().in_use == 0

    async def test_exhausted_pool_raises_at_the_first_command(self, url):
        """The wait is the pool's, and so is the error."""
        async with (
            pool_of(url) as pool,
            pool.lease() as one,
            pool.lease() as two,
            pool.lease() as three,
        ):
            await one.ping()
            await two.ping()
            with pytest.raises(ConnectionPoolTimeoutError):
                await three.ping()

    async def test_request_waits_once(self, url):
        """What a refusal has left of the timeout is all that the lease has: it asks, no more."""
        async with pool_of(url, max_connections=1) as pool:
            kept = await pool.get_connection()
            pool.timeout = 0.4
            async with pool.lease(waits_once=True) as client:
                began = time.monotonic()
                for _ in range(5):
                    with pytest.raises(ConnectionPoolTimeoutError):
                        await client.ping()
                assert time.monotonic() - began < 0.8  # not five times 0.4
                await pool.release(kept)
                assert await client.ping()

    async def test_task_may_wait_again(self, url):
        """A lease of a task that tries again later has its whole timeout each time."""
        async with pool_of(url, max_connections=1) as pool:
            kept = await pool.get_connection()
            pool.timeout = 0.05
            async with pool.lease() as client:
                for _ in range(2):
                    with pytest.raises(ConnectionPoolTimeoutError):
                        await client.ping()
            assert pool.stats().wait_seconds > 0.075
            await pool.release(kept)

    async def test_raising_block_gives_the_connection_back(self, url):
        """An error of the borrower costs no slot."""
        async with pool_of(url) as pool:
            with pytest.raises(ZeroDivisionError):
                async with pool.lease() as client:
                    await client.ping()
                    raise ZeroDivisionError

            assert pool.stats().in_use == 0

    async def test_forgotten_lease_loses_no_slot(self, url):
        """A lease that is never ended gives back when it is dropped."""
        async with pool_of(url) as pool:
            client = pool.lease().client()
            await client.ping()
            del client

            assert pool.stats().in_use == 0


class TestStaying:
    """What a client makes stays on the leased connection."""

    async def test_pipelines_transactions_locks_and_scripts_take_no_second(self, url):
        """All of them work in a pool of one."""
        async with pool_of(url, max_connections=1, timeout=5) as pool:
            async with pool.lease() as client:
                await client.set("n", 1)
                async with client.pipeline() as pipe:
                    assert await pipe.incr("n").incr("n").execute() == [2, 3]
                async with client.pipeline(transaction=False) as pipe:
                    assert await pipe.get("n").get("n").execute() == [b"3", b"3"]
                assert await client.transaction(lambda p: (p.multi(), p.incr("n")), "n") == [4]
                async with client.lock("lock", timeout=5):
                    assert await client.register_script("return ARGV[1]")(args=["x"]) == b"x"
                assert [key async for key in client.scan_iter("n")] == [b"n"]
                assert await client.client().get("n") == b"4"

            assert pool.stats().created == 1

    async def test_command_inside_a_watch_shares_the_connection(self, url):
        """One borrower, one connection, also between WATCH and EXEC."""
        async with pool_of(url) as pool, pool.lease() as client, client.pipeline() as pipe:
            await pipe.watch("n")
            assert await client.get("other") is None
            pipe.multi()
            pipe.set("n", 1)
            assert await pipe.execute() == [True]
            assert pool.stats().created == 1

    async def test_pubsub_takes_its_own_and_brings_it_back(self, url, admin):
        """A subscription has a connection of its own, which ends with the lease."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                pubsub = client.pubsub()
                await pubsub.subscribe("news")
                assert (await pubsub.get_message(timeout=2))["type"] == "subscribe"
                await client.publish("news", "hello")
                assert (await pubsub.get_message(timeout=2))["data"] == b"hello"
                assert pool.stats().in_use == 2

            assert pool.stats().in_use == 0
            await wait_until(lambda: admin.pubsub_numsub("news") == [(b"news", 0)])

    async def test_closed_pubsub_brings_its_connection_back_at_once(self, url):
        """As redis-py's does."""
        async with pool_of(url) as pool, pool.lease() as client:
            async with client.pubsub() as pubsub:
                await pubsub.subscribe("news")
                assert pool.stats().in_use == 1
            assert pool.stats().in_use == 0

    async def test_monitor_takes_its_own_and_brings_it_back(self, url):
        """MONITOR has a connection of its own, too."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                async with client.monitor() as monitor:
                    await client.get("watched")
                    while "watched" not in (await monitor.next_command())["command"]:
                        pass
                assert pool.stats().in_use == 1

            assert pool.stats().in_use == 0

    async def test_response_callback_is_for_one_client(self, url):
        """Callbacks are shared by leases, and copied by the one that changes them."""
        async with pool_of(url) as pool, pool.lease() as one, pool.lease() as two:
            one.set_response_callback("ping", lambda _reply: "mine")

            assert await one.ping() == "mine"
            assert await two.ping() is True


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
    async def test_sticky_command_costs_its_connection(self, url, admin, command, protocol, caplog):
        """A connection that was changed is closed, and a warning names who did it."""
        async with pool_of(url, protocol=protocol, socket_timeout=0.2) as pool:
            # A refused AUTH, a reply that was told not to come: the state counts, not the answer.
            async with pool.lease("GET /odd") as client:
                with suppress(redis.RedisError):
                    await client.execute_command(*command)
            stats = pool.stats()

        assert stats.idle == 0
        assert stats.in_use == 0
        assert stats.discarded in ({"dirty": 1}, {"error": 1})
        assert ("instead of reused: left in" in caplog.text) == ("dirty" in stats.discarded)
        assert ("GET /odd" in caplog.text) == ("dirty" in stats.discarded)

    async def test_warning_names_the_borrower_as_it_is_called_at_the_end(self, url, caplog):
        """A request's name grows while it runs: the view is known later than the path."""
        async with pool_of(url) as pool, pool.lease("GET /odd") as client:
            await client.select(3)
            client.connection_pool.holder = "GET /odd (views.odd)"
            await client.release()

        assert "by GET /odd (views.odd)" in caplog.text

    @pytest.mark.parametrize(
        "command", [("CLIENT", "ID"), ("CLIENT INFO",), ("client", "getname"), ("PING",)]
    )
    async def test_harmless_command_keeps_its_connection(self, url, command):
        """Looking changes nothing."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await client.execute_command(*command)

            assert pool.stats().idle == 1

    async def test_finished_transaction_keeps_its_connection(self, url):
        """EXEC ends WATCH and MULTI, so nothing is left."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await client.execute_command("WATCH", "k")
                await client.execute_command("MULTI")
                await client.execute_command("EXEC")

            assert pool.stats().idle == 1

    async def test_unwatched_connection_is_kept(self, url):
        """A pipeline that watched and gave up cleans up after itself."""
        async with pool_of(url) as pool:
            async with pool.lease() as client, client.pipeline() as pipe:
                await pipe.watch("k")

            assert pool.stats().idle == 1

    async def test_exec_without_multi_leaves_the_watch(self, url):
        """A refused EXEC or DISCARD ends no WATCH: the connection is not reused."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await client.execute_command("WATCH", "k")
                with pytest.raises(redis.ResponseError):
                    await client.execute_command("DISCARD")

            assert pool.stats().discarded == {"dirty": 1}

    async def test_unread_reply_costs_its_connection(self, url):
        """Sent minus read is not zero: the next borrower would read that reply."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                connection = await client.connection_pool.get_connection()
                await connection.send_command("ECHO", "secret")
                await client.connection_pool.release(connection)
            async with pool.lease() as client:
                assert await client.echo("mine") == b"mine"

            assert pool.stats().discarded == {"dirty": 1}

    async def test_unread_reply_does_not_answer_the_next_command(self, url):
        """Nor within one lease."""
        async with pool_of(url) as pool, pool.lease() as client:
            connection = await client.connection_pool.get_connection()
            await connection.send_command("ECHO", "old")
            await client.connection_pool.release(connection)

            assert await client.echo("new") == b"new"

    async def test_raising_callback_in_a_pipeline_leaves_nothing_unread_to_others(self, url):
        """A callback that raises leaves replies unread; nobody else reads them."""

        def fail(_reply):
            raise ZeroDivisionError

        async with pool_of(url) as pool:
            async with pool.lease() as client:
                client.set_response_callback("GET", fail)
                pipe = client.pipeline(transaction=False)
                pipe.get("a")
                pipe.echo("secret")
                with pytest.raises(ZeroDivisionError):
                    await pipe.execute()
                assert await client.echo("mine") == b"mine"
            async with pool.lease() as client:
                assert await client.echo("mine") == b"mine"

    async def test_clean_return_costs_no_round_trip(self, url, admin):
        """The server hears the borrower's commands and nothing else."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await client.ping()
            before = admin.info("stats")["total_commands_processed"]
            async with pool.lease() as client:
                await client.ping()

            assert admin.info("stats")["total_commands_processed"] - before == 2  # PING, INFO


class TestAfterTheEnd:
    """A lease that is over stays over."""

    async def test_ended_lease_is_refused(self, url):
        """No silent reconnect behind the user's back."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await client.ping()
                pipe = client.pipeline()
                pipe.ping()
            for use in (client.ping, pipe.execute, client.pubsub().ping):
                with pytest.raises(LeaseError, match="has ended"):
                    await use()

            assert pool.stats().created == 1

    async def test_escaped_pipeline_does_not_meet_the_next_borrower(self, url):
        """A pipeline that still refers to the connection makes it unfit for reuse."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                pipe = client.pipeline()
                await pipe.watch("k")
                await pipe.unwatch()  # clean by the books, but still in the pipeline's hands
            pipe.get("k")
            async with pool.lease() as other:
                await other.ping()
                with pytest.raises(redis.RedisError):
                    await pipe.execute()
                assert await other.echo("mine") == b"mine"

    async def test_escaped_pubsub_is_refused(self, url):
        """A subscription ends with its lease and does not come back by itself."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                pubsub = client.pubsub()
                await pubsub.subscribe("news")
            with pytest.raises(LeaseError):
                await pubsub.get_message(timeout=0.1)

    async def test_ending_twice_is_fine(self, url):
        """end() is idempotent."""
        async with pool_of(url) as pool:
            lease = pool.lease()
            await lease.client().ping()
            lease.end()
            lease.end()

            assert pool.stats().released == 1

    async def test_lease_error_is_no_connection_error(self):
        """A mistake in the program is not taken for an outage."""
        assert not issubclass(LeaseError, redis.ConnectionError)
        assert not issubclass(LeaseError, PoolExhaustedError)


class TestBrokenSocket:
    """The server or the network drops the connection while it is leased."""

    async def kill(self, admin: redis.Redis, client: redis.asyncio.Redis) -> None:
        admin.execute_command("CLIENT", "KILL", "ID", await client.client_id())

    async def test_stateless_lease_goes_on_after_one_error(self, url, admin, clock):
        """The command that met the dead socket fails; the next one has a new connection."""
        clock.stop()  # too short a while for a look before the command
        async with pool_of(url) as pool, pool.lease() as client:
            await self.kill(admin, client)
            with pytest.raises(redis.ConnectionError):
                await client.ping()
            assert await client.ping()
            assert pool.stats().in_use == 1

    @pytest.mark.parametrize("state", [("SELECT", 3), ("WATCH", "k"), ("MULTI",)])
    async def test_lost_state_is_told(self, url, admin, state):
        """A lease never goes on silently in another state."""
        async with pool_of(url) as pool, pool.lease() as client:
            number = await client.client_id()
            await client.execute_command(*state)
            admin.execute_command("CLIENT", "KILL", "ID", number)
            with pytest.raises(redis.ConnectionError):
                await client.set("k", 1)
            for _ in range(2):
                with pytest.raises(LeaseStateLostError, match=state[0]):
                    await client.set("k", 1)

        assert admin.get("k") is None

    async def test_transaction_that_lost_its_watch_is_tried_again(self, url, admin):
        """redis-py says WatchError, and its transaction() starts over on a new connection."""
        attempts = []

        async def work(pipe):
            if not attempts:
                admin.execute_command("CLIENT", "KILL", "ID", number)
            attempts.append(1)
            await pipe.get("n")
            pipe.multi()
            pipe.incr("n")

        async with pool_of(url) as pool, pool.lease() as client:
            number = await client.client_id()
            assert await client.transaction(work, "n") == [1]
        assert len(attempts) == 2


class TestLook:
    """A look at a leased socket that was not used for a while, before the next command."""

    @pytest.fixture
    def looks(self, monkeypatch):
        """Note the connections that are looked at."""
        seen: list[object] = []
        monkeypatch.setattr(
            "redis_pool_ext.aio.lease.looks_alive",
            lambda connection: (seen.append(connection), looks_alive(connection))[1],
        )
        return seen

    @pytest.fixture
    def proxy(self, redis_server, admin):
        """The shared server behind a proxy that can cut."""
        with FaultyProxy(redis_server.port) as proxy:
            yield proxy

    def pool(self, proxy: FaultyProxy) -> AsyncRedisPool:
        """Return a pool through the proxy, that never tries a command again."""
        return pool_of(proxy.url, retry=Retry(NoBackoff(), 0), timeout=5)

    async def cut(self, proxy: FaultyProxy, client: redis.asyncio.Redis) -> None:
        """Close the leased connection from outside, and see it arrive."""
        proxy.cut()
        connection = client.connection_pool.held[0]
        await wait_until(lambda: not looks_alive(connection))

    async def test_dead_socket_is_renewed_before_anything_is_sent(self, proxy, clock):
        """Also where nothing is tried twice: the command meets a new connection."""
        async with self.pool(proxy) as pool:
            async with pool.lease() as client:
                await client.incr("hits")
                await self.cut(proxy, client)
                clock.advance(1)
                assert await client.incr("hits") == 2
            stats = pool.stats()

        assert (stats.created, stats.acquired, stats.idle) == (2, 1, 1)

    @pytest.mark.parametrize(
        "state", [("SELECT", 1), ("WATCH", "k"), ("MULTI",)], ids=lambda s: s[0]
    )
    async def test_dead_socket_with_state_is_not_renewed(self, proxy, clock, state):
        """First the error of the network, then the one that says what is lost."""
        async with self.pool(proxy) as pool:
            async with pool.lease() as client:
                await client.execute_command(*state)
                await self.cut(proxy, client)
                clock.advance(1)
                with pytest.raises(redis.RedisError):
                    await client.get("k")
                with pytest.raises(LeaseStateLostError, match=state[0]):
                    await client.get("k")

            assert pool.stats().created == 1

    async def test_socket_in_use_a_moment_ago_is_not_looked_at(self, proxy, clock, looks):
        """A view with fifty commands pays for none of it."""
        async with self.pool(proxy) as pool, pool.lease() as client:
            clock.stop()
            for _ in range(50):
                await client.ping()

        assert looks == []

    async def test_look_costs_the_server_nothing(self, proxy, admin, clock, looks):
        """No round trip; what is alive stays."""
        async with self.pool(proxy) as pool:
            async with pool.lease() as client:
                await client.ping()
                admin.config_resetstat()
                clock.advance(1)
                await client.get("k")

            assert len(looks) == 1
            assert admin.info("commandstats")["cmdstat_get"]["calls"] == 1
            assert "cmdstat_ping" not in admin.info("commandstats")
            assert pool.stats().created == 1

    async def test_pipeline_is_looked_after_as_well(self, proxy, clock):
        """One exchange, one look."""
        async with self.pool(proxy) as pool, pool.lease() as client:
            await client.ping()
            await self.cut(proxy, client)
            clock.advance(1)

            assert await client.pipeline().incr("hits").get("hits").execute() == [1, b"1"]


class TestSharing:
    """Tasks that share one lease take turns."""

    async def test_shared_lease_gives_each_sharer_its_own_reply(self, url):
        """Eight tasks on one leased client never mix up their replies."""
        wrong = []

        async def talk(client, number):
            for i in range(300):
                text = f"{number}-{i}".encode()
                if await client.echo(text) != text:
                    wrong.append(text)

        async with pool_of(url) as pool:
            async with pool.lease() as client:
                await asyncio.gather(*(talk(client, n) for n in range(8)))

            assert wrong == []
            assert pool.stats().created == 1

    async def test_turn_is_waited_for_no_longer_than_the_timeout(self, url):
        """A task that keeps the lease busy does not block others for ever."""
        async with pool_of(url) as pool, pool.lease() as client, client.pipeline() as pipe:
            await pipe.watch("k")
            other = start(client.get("k"))
            with pytest.raises(ConnectionPoolTimeoutError, match="another task"):
                await other

    async def test_lease_that_ends_during_a_command_gives_back_as_that_sharer_leaves(self, url):
        """The exchange is cut short, its connection closed at once, and not reused."""
        async with pool_of(url) as pool:
            lease = pool.lease()
            client = lease.client()
            await client.ping()
            blocked = start(client.blpop("nothing", 0))
            await wait_until(lambda: lease.held[0].pending == 1)
            lease.end()

            with pytest.raises(redis.RedisError):
                await blocked
            stats = pool.stats()
        assert (stats.in_use, stats.idle, stats.discarded) == (0, 0, {"forfeited": 1})
        assert stats.double_releases == 0

    async def test_lease_that_ends_during_a_dial_does_not_count_against_the_server(
        self, redis_server
    ):
        """A dial that we cut ourselves says nothing about the server."""
        with FaultyProxy(redis_server.port) as proxy:
            async with pool_of(proxy.url, timeout=5) as pool:
                lease = pool.lease()
                client = lease.client()
                await client.ping()
                proxy.delay = 0.2
                lease.held[0].cut()
                dialling = start(client.ping())
                await wait_until(lambda: pool.stats().connecting == 1)
                lease.end()
                await dialling
                stats = pool.stats()

        assert (stats.create_failures, stats.in_use) == (0, 0)

    async def test_lease_may_end_in_another_thread(self, url):
        """A response is often closed elsewhere than where its view ran."""
        async with pool_of(url) as pool:
            done = threading.Event()
            lease = pool.lease()
            await lease.client().ping()
            spawn(lambda: (lease.end(), done.set())).result()

            assert done.is_set()
            await wait_until(lambda: pool.stats().in_use == 0)
