"""What is special to the lease of tasks: turns, loops, finalizers, and time limits."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

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
    PoolUnavailableError,
    configure,
    get_async_pool,
)

from ..support import threads
from ..support.leases import age
from ..support.proxy import FaultyProxy
from ..support.server import Server
from ..support.threads import spawn
from .cancels import When, cancel_everywhere
from .pools import connections, pool_of
from .tasks import start, wait_until

Client = redis.asyncio.Redis

PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3])
NEVER_AGAIN = Retry(NoBackoff(), 0)


class TestTurns:
    """Tasks share one connection, one exchange at a time."""

    async def test_gathered_commands_are_answered_in_order_of_arrival(self, url):
        """Fifty at once, on one connection."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                numbers = await asyncio.gather(*(client.incr("n") for _ in range(50)))

            assert numbers == list(range(1, 51))
            assert pool.stats().created == 1

    async def test_child_tasks_are_on_their_parents_connection(self, url):
        """One request, one connection, however many tasks it starts."""
        async with pool_of(url) as pool:
            async with pool.lease() as client, asyncio.TaskGroup() as group:
                children = [group.create_task(client.client_id()) for _ in range(5)]

            assert len({child.result() for child in children}) == 1
            assert pool.stats().acquired == 1

    async def test_waiting_tasks_go_on_in_order_of_arrival(self, url):
        """When the transaction is over that kept them; a cancelled one is passed over."""
        order = []

        async def ask(number: int) -> None:
            assert await client.echo(f"{number}") == f"{number}".encode()
            order.append(number)

        async with pool_of(url, timeout=5) as pool, pool.lease() as client:
            async with client.pipeline() as pipe:
                await pipe.watch("k")
                waiting = [start(ask(number)) for number in range(5)]
                await asyncio.sleep(0)
                waiting[2].cancel()
                assert order == []
            await asyncio.wait(waiting)

        assert order == [0, 1, 3, 4]

    async def test_tasks_wait_in_vain_for_one_in_a_watch(self, url):
        """Also its own children: they are told who keeps them, and the WATCH is not harmed."""
        async with pool_of(url, timeout=0.05) as pool, pool.lease() as client:
            async with client.pipeline() as pipe:
                await pipe.watch("k")
                errors = await asyncio.gather(
                    client.get("k"),
                    client.pipeline().get("k").execute(),
                    client.release(),
                    return_exceptions=True,
                )
                pipe.multi()
                pipe.set("k", 1)
                assert await pipe.execute() == [True]

            assert [type(error) for error in errors] == [ConnectionPoolTimeoutError] * 3
            assert all("another task used this lease" in str(error) for error in errors)
            assert await client.get("k") == b"1"

    @pytest.mark.parametrize("is_executed", [True, False], ids=["executed", "left"])
    async def test_pipeline_that_is_cancelled_twice_gives_the_turn_back(self, url, is_executed):
        """Wherever it waits, and again while it cleans up: the next task is not kept waiting."""
        async with pool_of(url, timeout=0.5) as pool, pool.lease() as client:

            async def transaction() -> None:
                async with client.pipeline() as pipe:
                    await pipe.watch("k")
                    if is_executed:
                        pipe.multi()
                        pipe.set("k", 1)
                        await pipe.execute()

            async for place in cancel_everywhere(transaction, When.TWICE):
                answer = await start(client.echo(f"after {place}"))
                assert answer == f"after {place}".encode()

    async def test_pipeline_lets_go_without_a_task_of_its_own(self, url):
        """redis-py starts one for each, and the turn would be given back when that has run."""
        made = []

        def note(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> Any:
            made.append(work)
            return asyncio.Task(work, loop=loop, **options)

        async with pool_of(url) as pool, pool.lease() as client:
            asyncio.get_running_loop().set_task_factory(note)
            async with client.pipeline() as pipe:
                await pipe.set("k", 1).execute()
                await pipe.watch("k")
                await pipe.unwatch()
                pipe.get("k")

        assert made == []

    async def test_reset_that_is_cancelled_twice_gives_the_turn_back(self, redis_server, url):
        """In the middle of an UNWATCH that nobody answers."""
        with FaultyProxy(redis_server.port) as proxy:
            async with pool_of(proxy.url, timeout=5) as pool, pool.lease() as client:
                pipe = client.pipeline()
                await pipe.watch("k")
                connection = pipe.connection
                proxy.swallow()
                resetting = start(pipe.reset())
                await wait_until(lambda: connection.pending == 1)
                for _ in range(2):
                    resetting.cancel()
                    await asyncio.sleep(0)
                await asyncio.wait([resetting])
                proxy.resume()

                assert await start(client.echo("mine")) == b"mine"
                assert pool.stats().in_use == 1


class TestOtherThreads:
    """end() may come from a thread without a loop: the lease's own does what is to be done."""

    async def test_all_that_a_lease_has_comes_back(self, url, admin, caplog):
        """Its connection, and those of its subscriptions."""
        async with pool_of(url) as pool:
            lease = pool.lease()
            client = lease.client()
            await client.ping()
            await client.pubsub().subscribe("news")
            spawn(lease.end).result()

            await wait_until(lambda: pool.stats().in_use == 0)
            await wait_until(lambda: admin.pubsub_numsub("news") == [(b"news", 0)])
            with pytest.raises(LeaseError, match="has ended"):
                await client.ping()
        assert caplog.messages == []

    async def test_command_on_its_way_is_cut_short(self, url):
        """Its task is told, and the connection is nobody's any more."""
        async with pool_of(url) as pool:
            lease = pool.lease()
            client = lease.client()
            await client.ping()
            blocked = start(client.blpop("nothing", 0))
            await wait_until(lambda: lease.held[0].pending == 1)
            spawn(lease.end).result()

            with pytest.raises(redis.RedisError):
                await blocked
            stats = pool.stats()
            assert (stats.in_use, stats.idle, stats.discarded) == (0, 0, {"forfeited": 1})

    async def test_task_that_queues_for_a_connection_gives_it_back(self, url, admin):
        """The lease has ended when it comes: its command is not sent any more."""
        async with pool_of(url, max_connections=1, timeout=5) as pool:
            kept = await pool.get_connection()
            lease = pool.lease()
            queueing = start(lease.client().execute_command("INCR", "n", NEVER_DECODE=True))
            await wait_until(lambda: pool.stats().waiting == 1)
            spawn(lease.end).result()
            await pool.release(kept)

            with pytest.raises(LeaseError, match="has ended"):
                await queueing
            assert (pool.stats().in_use, pool.stats().idle) == (0, 1)
        assert admin.get("n") is None

    def test_loop_that_pauses_does_it_when_it_runs_again(self, url):
        """Between two calls of `run_until_complete`."""
        with asyncio.Runner() as runner:
            pool = pool_of(url)
            lease = pool.lease()
            runner.run(_ping(lease.client()))
            lease.end()
            runner.run(asyncio.sleep(0))

            assert (pool.stats().in_use, pool.stats().idle) == (0, 1)

    def test_lease_may_end_after_its_loop(self, url):
        """Nothing of it is left to be closed."""
        pool = pool_of(url)
        lease = pool.lease()
        asyncio.run(_ping(lease.client()))
        lease.end()

        assert pool.stats().in_use == 0


class TestOtherLoops:
    """A lease belongs to the loop in which it is used, as long as there is that loop."""

    @pytest.mark.parametrize(
        "use",
        [
            lambda client: client.ping(),
            lambda client: client.execute_command("CLIENT ID"),
            lambda client: client.pipeline().ping().execute(),
            lambda client: client.pubsub().subscribe("news"),
            lambda client: client.release(),
        ],
        ids=["short way", "long way", "pipeline", "pubsub", "release"],
    )
    async def test_use_in_another_loop_is_refused(self, url, use):
        """The error says what to do; the lease's own loop goes on with it."""
        async with pool_of(url) as pool, pool.lease() as client:
            number = await client.client_id()
            with pytest.raises(LeaseError, match=r"call get_async_redis\(\) for a client"):
                spawn(asyncio.run, _use(client, use)).result()

            assert await client.client_id() == number

    def test_lease_goes_on_in_a_new_loop_with_a_new_connection(self, url, admin):
        """After the first loop was closed, and its connection with it."""
        pool = pool_of(url)
        lease = pool.lease("GET /in/two/loops")
        first = asyncio.run(_identify(lease.client()))
        threads.wait_until(lambda: connections(admin) == 0)
        second = asyncio.run(_identify(lease.client()))

        assert first != second
        threads.wait_until(lambda: connections(admin) == 0)
        assert pool.stats().in_use == 0

    def test_lease_goes_on_with_the_new_loops_pool(self, url):
        """Where pools are found for the loop that is running."""
        configure({"default": url})

        async def begin() -> Any:
            lease = get_async_pool().lease()
            await lease.client().ping()
            return lease

        async def go_on(lease: Any) -> None:
            assert await lease.client().echo("mine") == b"mine"
            assert lease.pool is get_async_pool()
            assert get_async_pool().stats().in_use == 1
            lease.end()
            assert get_async_pool().stats().in_use == 0

        asyncio.run(go_on(asyncio.run(begin())))

    @pytest.mark.parametrize("state", [("SELECT", 3), ("WATCH", "k"), ("MULTI",)])
    def test_state_that_went_with_its_loop_is_told(self, url, state):
        """A lease never goes on silently in another state, in a new loop no more than elsewhere."""
        lease = pool_of(url).lease()
        asyncio.run(_use(lease.client(), lambda client: client.execute_command(*state)))
        with pytest.raises(LeaseStateLostError, match=state[0]):
            asyncio.run(_ping(lease.client()))

    def test_pipeline_does_not_go_on_in_a_new_loop(self, url, admin):
        """Its WATCH has gone with the connection."""
        lease = pool_of(url).lease()
        pipe = lease.client().pipeline()

        async def execute() -> None:
            pipe.multi()
            pipe.set("k", 1)
            await pipe.execute()

        asyncio.run(_use(pipe, lambda pipe: pipe.watch("k")))
        with pytest.raises(redis.RedisError):
            asyncio.run(execute())
        assert admin.get("k") is None

    def test_turn_that_went_with_its_loop_keeps_nobody_waiting(self, url):
        """A pipeline of the first loop had it; when that lets go, nobody loses another one."""
        lease = pool_of(url, timeout=0.05).lease()
        client, stale = lease.client(), lease.client().pipeline()

        async def begin() -> None:
            await stale.watch("k")
            await stale.unwatch()

        async def go_on() -> None:
            assert await client.echo("mine") == b"mine"
            async with client.pipeline() as pipe:
                await pipe.watch("k")
                await stale.reset()
                with pytest.raises(ConnectionPoolTimeoutError):
                    await start(client.get("k"))
            assert await start(client.echo("mine")) == b"mine"

        asyncio.run(begin())
        asyncio.run(go_on())


class TestDropped:
    """What nobody refers to any more gives back what it had, and nobody is warned."""

    @pytest.fixture(autouse=True)
    def _no_complaints(self, caplog):
        """See that finalizers, asyncio and the pool say nothing."""
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield
            gc.collect()
        assert [str(each.message) for each in warned] == []
        assert caplog.messages == []

    @pytest.mark.parametrize("state", [(), ("SELECT", 3), ("WATCH", "k")], ids=str)
    async def test_dropped_lease_gives_its_slot_back(self, url, state):
        """With its client, in whatever state the connection is."""
        async with pool_of(url, max_connections=1) as pool:
            client = pool.lease().client()
            await client.ping()
            if state:
                await client.execute_command(*state)
            del client
            gc.collect()

            await self._assert_free(pool)

    async def test_dropped_connection_gives_its_slot_back(self, url):
        """As libraries take it, and forget it."""
        async with pool_of(url, max_connections=1) as pool:
            connection = await pool.get_connection()
            await connection.send_command("ECHO", "never read")
            del connection
            gc.collect()

            await self._assert_free(pool)

    async def test_dropped_pipeline_gives_the_turn_back(self, url):
        """The lease goes on, for every task."""
        async with pool_of(url, timeout=0.05) as pool, pool.lease() as client:
            pipe = client.pipeline()
            await pipe.watch("k")
            await pipe.unwatch()
            with pytest.raises(ConnectionPoolTimeoutError):
                await start(client.echo("mine"))
            del pipe
            gc.collect()

            assert await start(client.echo("mine")) == b"mine"

    async def test_dropped_pipeline_of_a_borrower_per_command_frees_its_slot(self, url):
        """Where nothing is held between commands, the pipeline was all that held it."""
        async with pool_of(url, max_connections=1, hold="command") as pool:
            async with pool.lease() as client:
                pipe = client.pipeline()
                await pipe.watch("k")
                await pipe.unwatch()
                del pipe
                gc.collect()

                assert pool.stats().in_use == 0
            await self._assert_free(pool)

    async def test_dropped_subscription_gives_its_slot_back_with_the_lease(self, url):
        """Its own connection, next to that of the lease."""
        async with pool_of(url) as pool:
            async with pool.lease() as client:
                pubsub = client.pubsub()
                await pubsub.subscribe("news")
                del pubsub
                gc.collect()
                assert await client.echo("mine") == b"mine"

            assert pool.stats().in_use == 0

    async def test_lease_that_another_thread_collects_gives_its_slot_back(self, url, admin):
        """Garbage is collected anywhere; the socket is closed in its loop."""
        async with pool_of(url, max_connections=1) as pool:
            with _no_collection():
                cycle = [pool.lease().client()]
                await cycle[0].ping()
                cycle.append(cycle)
                del cycle
                assert pool.stats().in_use == 1
                spawn(gc.collect).result()

            assert pool.stats().in_use == 0
            await wait_until(lambda: connections(admin) == 0)

    async def test_pipeline_that_another_thread_collects_gives_the_turn_back(self, url):
        """Whoever waits for that has it at once, though its loop is asleep."""
        async with pool_of(url, timeout=10) as pool, pool.lease() as client:
            with _no_collection():
                cycle = [client.pipeline()]
                await cycle[0].watch("k")
                await cycle[0].unwatch()
                cycle.append(cycle)
                del cycle
                waiting = start(client.echo("mine"))
                collecting = spawn(lambda: (time.sleep(0.1), gc.collect()))

                assert await asyncio.wait_for(waiting, 5) == b"mine"
                collecting.result()

    def test_lease_that_is_dropped_after_its_loop_gives_its_slot_back(self, url):
        """There is no loop to close its socket in."""
        pool = pool_of(url, max_connections=1)
        client = pool.lease().client()
        asyncio.run(_ping(client))
        del client
        gc.collect()

        assert pool.stats().in_use == 0

    def test_lease_that_is_dropped_while_its_loop_pauses_gives_its_slot_back(self, url, admin):
        """The loop is there, and does not run."""
        with asyncio.Runner() as runner:
            pool = pool_of(url, max_connections=1)
            client = pool.lease().client()
            runner.run(_ping(client))
            del client
            gc.collect()

            assert pool.stats().in_use == 0
            threads.wait_until(lambda: connections(admin) == 0)
            runner.run(self._assert_free(pool))

    async def _assert_free(self, pool: AsyncRedisPool) -> None:
        assert pool.stats().in_use == 0
        async with pool.lease() as client:
            assert await client.echo("mine") == b"mine"


class TestTracing:
    """What others put around redis-py's methods sees the leased client's commands."""

    async def test_wrapped_execute_command_sees_each_command_once(self, url, monkeypatch):
        """Also when the lease was in use before, and when the wrapper is taken off again."""
        seen = []
        execute_command = Client.execute_command

        async def traced(self, *args, **options):
            seen.append(args[0])
            return await execute_command(self, *args, **options)

        async with pool_of(url) as pool, pool.lease() as client:
            await client.set("k", "text")
            with monkeypatch.context() as patches:
                patches.setattr(Client, "execute_command", traced)
                assert await client.get("k") == b"text"
                assert await client.hset("h", mapping={"a": 1}) == 1
                assert await client.hgetall("h") == {b"a": b"1"}
                assert await client.config_get("maxclients")
                with pytest.raises(redis.ResponseError):
                    await client.incr("k")
                assert await client.blpop("nothing", 0.01) is None
            assert await client.get("k") == b"text"

        assert seen == ["GET", "HSET", "HGETALL", "CONFIG GET", "INCRBY", "BLPOP"]

    @pytest.mark.parametrize(
        "name", ["execute", "immediate_execute_command", "pipeline_execute_command"]
    )
    async def test_wrapped_method_of_pipelines_is_called(self, url, monkeypatch, name):
        """By the class that redis-py gives its own pipelines."""
        seen = []
        original = getattr(redis.asyncio.client.Pipeline, name)

        def traced(self, *args, **options):
            seen.append(args)
            return original(self, *args, **options)

        monkeypatch.setattr(redis.asyncio.client.Pipeline, name, traced)
        async with pool_of(url) as pool, pool.lease() as client, client.pipeline() as pipe:
            await pipe.watch("k")
            pipe.multi()
            pipe.set("k", 1)
            assert await pipe.execute() == [True]

        assert len(seen) == 1

    async def test_wrapped_parse_response_reads_each_reply(self, url, monkeypatch):
        """Set on the class, as tools do, or on one client."""
        seen = []
        parse_response = Client.parse_response

        async def traced(self, connection, command_name, **options):
            seen.append(command_name)
            return await parse_response(self, connection, command_name, **options)

        async with pool_of(url) as pool, pool.lease() as client:
            await client.ping()
            with monkeypatch.context() as patches:
                patches.setattr(Client, "parse_response", traced)
                assert await client.echo("mine") == b"mine"
            client.parse_response = traced.__get__(client)
            assert await client.get("k") is None

        assert seen == ["ECHO", "GET"]


class TestReplies:
    """What a command returns is what it returns on redis-py's own client."""

    @PROTOCOLS
    @pytest.mark.parametrize("decode", [False, True], ids=["bytes", "text"])
    async def test_replies_are_those_of_redis_py(self, url, admin, protocol, decode):
        """By both protocols, decoded or not."""
        options = {"protocol": protocol, "decode_responses": decode}
        async with pool_of(url, **options) as pool, pool.lease() as client:
            ours = await _replies_to(client)
        admin.flushall()
        async with Client.from_url(url, **options) as client:
            theirs = await _replies_to(client)

        assert ours == theirs
        assert list(map(type, ours)) == list(map(type, theirs))

    @PROTOCOLS
    async def test_decoding_may_be_left_out_for_one_command(self, url, protocol):
        """By redis-py's own option."""
        async with (
            pool_of(url, protocol=protocol, decode_responses=True) as pool,
            pool.lease() as client,
        ):
            await client.set("k", "\u00e9")
            assert await client.get("k") == "\u00e9"
            assert await client.execute_command("GET", "k", NEVER_DECODE=True) == b"\xc3\xa9"
            assert await client.get("k") == "\u00e9"

    @PROTOCOLS
    async def test_bytes_that_are_no_text_cost_the_connection_and_nothing_else(self, url, protocol):
        """They cannot be decoded; the next reply is the next command's."""
        async with (
            pool_of(url, protocol=protocol, decode_responses=True) as pool,
            pool.lease() as client,
        ):
            await client.set("k", b"\xff")
            with pytest.raises(UnicodeDecodeError):
                await client.get("k")
            assert await client.echo("mine") == "mine"


class TestOwnContext:
    """redis-py's ways to close a client, on one that has nothing of its own."""

    async def test_async_with_client_does_not_end_the_lease(self, url):
        """Nor does aclose(): the lease ends with its own block."""
        async with pool_of(url) as pool, pool.lease() as client:
            number = await client.client_id()
            async with client as entered:
                assert entered is client
                assert await entered.echo("inside") == b"inside"
            await client.aclose()
            assert await (await client).echo("mine") == b"mine"

            assert await client.client_id() == number
            assert pool.stats().in_use == 1


class TestTime:
    """How long a reply may take."""

    @PROTOCOLS
    async def test_blocking_command_may_take_longer_than_socket_timeout(self, url, protocol):
        """By as much as it asks for, on its own and in a pipeline."""
        async with (
            pool_of(url, protocol=protocol, socket_timeout=0.3) as pool,  # Redis is late by 0.1 s
            pool.lease() as client,
        ):
            number = await client.client_id()
            began = time.monotonic()
            assert await client.blpop("nothing", 0.4) is None
            pipe = client.pipeline(transaction=False)
            assert await pipe.blpop("nothing", 0.4).echo("mine").execute() == [None, b"mine"]
            assert time.monotonic() - began > 0.75
            assert await client.client_id() == number

    async def test_command_that_blocks_for_ever_is_waited_for(self, url, admin):
        """Nobody takes its patience for a dead server."""
        async with pool_of(url, socket_timeout=0.05) as pool, pool.lease() as client:
            blocked = start(client.blpop("list", 0))
            await asyncio.sleep(0.2)
            admin.rpush("list", "item")

            assert await blocked == (b"list", b"item")

    @pytest.mark.parametrize(
        "ask",
        [
            lambda client: client.echo("late"),
            lambda client: client.execute_command("CONFIG GET", "maxclients"),
            lambda client: client.pipeline().echo("late").execute(),
            lambda client: client.pipeline(transaction=False).echo("late").execute(),
        ],
        ids=["short way", "long way", "transaction", "pipeline"],
    )
    @PROTOCOLS
    async def test_late_reply_is_a_timeout_and_answers_nobody(
        self, redis_server, url, protocol, ask
    ):
        """The next command on the lease works, and gets its own reply."""
        with FaultyProxy(redis_server.port) as proxy:
            settings = {"protocol": protocol, "socket_timeout": 0.1, "retry": NEVER_AGAIN}
            async with pool_of(proxy.url, timeout=5, **settings) as pool, pool.lease() as client:
                await client.ping()
                proxy.delay = 0.3
                with pytest.raises(redis.TimeoutError):
                    await ask(client)
                proxy.delay = 0.0
                for number in range(3):
                    assert await client.echo(f"{number}") == f"{number}".encode()

    async def test_late_reply_is_tried_again_where_that_is_configured(self, redis_server, url):
        """With redis-py's own policy, on a new connection."""
        with FaultyProxy(redis_server.port) as proxy:
            settings = {"socket_timeout": 0.1, "retry": Retry(NoBackoff(), 1)}
            async with pool_of(proxy.url, timeout=5, **settings) as pool, pool.lease() as client:
                await client.ping()
                proxy.swallow()
                asked = start(client.echo("mine"))
                await wait_until(lambda: pool.stats().connecting == 1)
                proxy.resume()

                assert await asked == b"mine"
                assert pool.stats().in_use == 1


class TestKilledServer:
    """The server is killed between two commands."""

    @pytest.fixture
    def server(self):
        """A server to be killed."""
        with Server() as server:
            yield server

    async def test_stateless_lease_is_dialled_anew(self, server):
        """The next command works, and nothing is tried twice for that."""
        async with pool_of(server.url, timeout=5, retry=NEVER_AGAIN) as pool:
            async with pool.lease() as client:
                await client.ping()
                server.restart()
                age(client)
                assert await client.echo("mine") == b"mine"

            assert (pool.stats().created, pool.stats().in_use) == (2, 0)

    @pytest.mark.parametrize("state", [("WATCH", "k"), ("MULTI",), ("SELECT", 3)])
    async def test_lease_with_state_is_told(self, server, state):
        """First of the network's error, then of what is lost; a new lease works."""
        async with pool_of(server.url, timeout=5) as pool:
            async with pool.lease() as client:
                await client.execute_command(*state)
                server.restart()
                age(client)
                with pytest.raises(redis.ConnectionError):
                    await client.set("k", 1)
                with pytest.raises(LeaseStateLostError, match=state[0]):
                    await client.set("k", 1)
            async with pool.lease() as client:
                assert await client.exists("k") == 0

    async def test_transaction_in_a_watch_is_told(self, server):
        """Nothing of it has run; the lease goes on."""
        async with pool_of(server.url, timeout=5) as pool, pool.lease() as client:
            async with client.pipeline() as pipe:
                await pipe.watch("k")
                pipe.multi()
                pipe.set("k", 1)
                server.restart()
                with pytest.raises(redis.WatchError):
                    await pipe.execute()
            assert await client.exists("k") == 0

    async def test_lease_goes_on_when_the_server_is_back(self, server):
        """While it is down, that is what its commands say."""
        async with (
            pool_of(server.url, timeout=5, retry=NEVER_AGAIN) as pool,
            pool.lease() as client,
        ):
            await client.ping()
            server.stop()
            age(client)
            with pytest.raises(PoolUnavailableError):
                await client.ping()
            server.start()
            assert await client.echo("mine") == b"mine"


async def _ping(client: Client) -> None:
    assert await client.ping()


async def _identify(client: Client) -> int:
    assert client.connection_pool.pool.stats().in_use == 0
    number = await client.client_id()
    assert client.connection_pool.pool.stats().in_use == 1
    return number


async def _use(client: Any, use: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    return await use(client)


async def _replies_to(client: Client) -> list[Any]:
    pipe = client.pipeline(transaction=False).get("k").hgetall("h").smembers("s").zscore("z", "a")
    replies = [
        await client.set("k", "1"),
        await client.get("k"),
        await client.get("none"),
        await client.incrbyfloat("k", 0.5),
        await client.mget("k", "none"),
        await client.exists("k"),
        await client.hset("h", mapping={"a": "1", "b": "2"}),
        await client.hgetall("h"),
        await client.sadd("s", "a"),
        await client.smembers("s"),
        await client.zadd("z", {"a": 1, "b": 2.5}),
        await client.zrange("z", 0, -1, withscores=True),
        await client.zscore("z", "b"),
        await client.rpush("l", "a", "b"),
        await client.lrange("l", 0, -1),
        await client.type("l"),
        await client.config_get("maxclients"),
        await client.scan(match="k"),
        await client.eval("return {1, 'two', false}", 0),
        await pipe.execute(),
    ]
    with suppress(redis.ResponseError):
        replies.append(await client.lpush("k", "refused"))
    return replies


@contextmanager
def _no_collection() -> Iterator[None]:
    """Leave cycles alone, until somebody asks for a collection."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
