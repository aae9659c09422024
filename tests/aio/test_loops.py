"""Event loops that come and go: each has a pool of its own, and leaves no socket behind."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import closing
from typing import Any

import pytest
import redis

from redis_pool_ext import (
    AsyncRedisPool,
    ConfigError,
    LeaseError,
    PoolClosedError,
    close_async_pools,
    configure,
    get_async_pool,
    get_async_redis,
    lease_scope,
)
from redis_pool_ext.aio.loops import async_pools

from ..support.forks import FORK_WARNS, fork_without_hooks, in_child
from ..support.threads import spawn, wait_until
from .tasks import wait_until as until

# As an error, this warning of uvloop's keeps it from closing, for ever. test_exit.py has it as
# one, in processes that may be killed.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed resource:ResourceWarning")

NAME = "loops"  # as which the server knows the connections
PATIENCE = 20

FORKS = pytest.mark.parametrize(
    "fork", [os.fork, fork_without_hooks], ids=["os.fork", "without hooks"]
)

Run = Callable[[Coroutine[Any, Any, Any]], Any]
MakeLoop = Callable[[], asyncio.AbstractEventLoop]


def new_uvloop() -> asyncio.AbstractEventLoop:
    return pytest.importorskip("uvloop").new_event_loop()


def run_in_runner(make_loop: MakeLoop, work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(work)


def run_in_uvloop(work: Coroutine[Any, Any, Any]) -> Any:
    if sys.version_info >= (3, 12):
        return pytest.importorskip("uvloop").run(work)
    return run_in_runner(new_uvloop, work)


RUNS = {
    "asyncio.run": asyncio.run,
    "uvloop": run_in_uvloop,
}


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine in a new loop, and ends that as it should be."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return RUNS[request.param]


@pytest.fixture(params=[asyncio.new_event_loop, new_uvloop], ids=["asyncio", "uvloop"])
def make_loop(request: pytest.FixtureRequest) -> MakeLoop:
    if request.param is new_uvloop:
        pytest.importorskip("uvloop")
    return request.param


@pytest.fixture
def settings(url: str) -> dict[str, Any]:
    options = {"client_name": NAME}
    return {"URL": url, "MAX_CONNECTIONS": 2, "TIMEOUT": PATIENCE, "OPTIONS": options}


@pytest.fixture
def configured(settings: dict[str, Any]) -> dict[str, Any]:
    configure({"default": settings})
    return settings


@pytest.fixture
def pool(url: str) -> AsyncRedisPool:
    """A pool that its user made, as at the top of a module."""
    return AsyncRedisPool.from_url(url, max_connections=2, timeout=PATIENCE, client_name=NAME)


@pytest.fixture
def connected(admin: redis.Redis) -> Callable[[], set[str]]:
    """The ids of the pools' connections, as the server sees them."""
    return lambda: {one["id"] for one in admin.client_list() if one["name"] == NAME}


@pytest.fixture
def nothing_left(connected: Callable[[], set[str]]) -> Callable[[], None]:
    """Waits until the server has seen all sockets close: it may look a moment later."""
    return lambda: wait_until(lambda: not connected())


def find_leased() -> Callable[[], Any]:
    client = get_async_pool().lease().client()
    return lambda: client


FINDS = {"leased": find_leased, "borrowed": lambda: get_async_redis}


async def hit() -> int:
    return await get_async_redis().incr("hits")


class TestOneAfterTheOther:
    """Loops that end, and the next one."""

    def test_pool_of_a_module_serves_one_loop_after_the_other(self, pool, run, connected):
        """In each it begins anew, with an empty pool."""

        async def main() -> tuple[int, int, set[str]]:
            async with pool.lease() as client:
                return await client.incr("hits"), pool.stats().created, connected()

        (one, created, first), (two, created_again, second) = run(main()), run(main())
        assert (one, two) == (1, 2)
        assert (created, created_again) == (1, 1)
        assert len(first) == len(second) == 1
        assert not first & second

    def test_get_async_redis_serves_one_loop_after_the_other(self, configured, run, connected):
        """Each loop finds a pool of its own."""

        async def main() -> tuple[int, AsyncRedisPool, set[str]]:
            return await hit(), get_async_pool(), connected()

        (one, first, _), (two, second, now) = run(main()), run(main())
        assert (one, two) == (1, 2)
        assert first is not second
        assert len(now) == 1

    def test_scope_serves_one_loop_after_the_other(self, configured, run):
        """One scope around two of them has a lease in each."""
        with lease_scope():
            assert run(hit()) == 1
            assert run(hit()) == 2

    def test_client_that_was_kept_serves_the_next_loop(self, configured, run):
        """As `request.aredis` does, where Django runs middleware and view in two of them."""
        kept: list[Any] = []

        async def main() -> int:
            kept.append(kept[0] if kept else get_async_redis())
            return await kept[0].incr("hits")

        with lease_scope():
            assert run(main()) == 1
            assert run(main()) == 2
        assert kept[0] is kept[1]

    def test_loop_per_test_as_of_pytest_asyncio(self, configured, make_loop, nothing_left):
        """A runner for each, many in a row: nothing is left over from the one before."""
        for number in range(1, 11):
            with asyncio.Runner(loop_factory=make_loop) as runner:
                assert runner.run(hit()) == number
                assert runner.run(hit_again(number)) == 1
                runner.run(unhit())
        nothing_left()

    def test_runner_that_is_run_twice_keeps_its_pool(self, configured, make_loop, connected):
        """The loop is the same, and so is the connection."""
        with asyncio.Runner(loop_factory=make_loop) as runner:
            assert runner.run(hit()) == 1
            before = connected()
            assert runner.run(hit()) == 2
            assert connected() == before

    def test_async_to_sync_many_times_leaves_nothing(self, configured, nothing_left):
        """As async views under WSGI: a loop, and a dial, for each call."""
        sync = pytest.importorskip("asgiref.sync").async_to_sync(hit)

        assert [sync() for _ in range(20)] == list(range(1, 21))
        nothing_left()
        assert async_pools() == []


async def hit_again(number: int) -> int:
    """Return how many connections the loop's pool has made; it was used before."""
    assert await hit() == number + 1
    return get_async_pool().stats().created


async def unhit() -> None:
    await get_async_redis().decr("hits")


class TestAtTheEnd:
    """What a loop leaves behind."""

    def test_end_of_run_closes_the_sockets_of_a_pool(self, pool, run, nothing_left):
        """Nobody has called close()."""
        run(use_both(pool))
        nothing_left()

    def test_end_of_run_closes_the_sockets_of_the_loops_pools(self, configured, run, nothing_left):
        """And the process forgets the loop."""
        run(with_found_pool(use_both))
        nothing_left()
        assert async_pools() == []

    def test_end_of_run_closes_what_is_still_leased(self, configured, run, nothing_left):
        """A lease that nobody ended, a pubsub that nobody closed."""
        kept: list[Any] = []

        async def main() -> None:
            client = get_async_pool().lease().client()
            pubsub = client.pubsub()
            await client.ping()
            await pubsub.subscribe("news")
            kept.extend([client, pubsub])

        run(main())
        nothing_left()

    def test_pubsub_closed_in_another_loop_is_no_second_release(self, pool, run):
        """Its connection went with its loop: nothing is to be given back, or complained of."""
        lease = pool.lease()

        async def subscribed() -> Any:
            pubsub = lease.client().pubsub()
            await pubsub.subscribe("news")
            return pubsub

        run(run(subscribed()).aclose())
        assert pool.stats().double_releases == 0

    def test_end_of_run_that_fails_closes_as_well(self, configured, run, nothing_left):
        """An exception out of the program leaves no socket either."""

        async def main() -> None:
            await get_async_pool().lease().client().ping()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run(main())
        nothing_left()

    def test_end_of_run_closes_below_a_task_that_is_cancelled_by_it(
        self, configured, run, nothing_left
    ):
        """asyncio.run() cancels what still runs; here in the middle of a command."""

        async def main() -> None:
            client = get_async_pool().lease().client()
            await client.ping()
            task = asyncio.create_task(client.blpop("empty"))
            await until(lambda: bool(get_async_pool().stats().in_use))
            tasks.append(task)

        tasks: list[Any] = []
        run(main())
        assert tasks[0].cancelled()
        nothing_left()

    @pytest.mark.parametrize("find", FINDS)
    def test_generator_that_the_end_closes_may_still_use_redis(
        self, configured, run, find, admin, caplog, nothing_left
    ):
        """What it does in its `finally` is done before the sockets close, in several commands."""
        kept: list[Any] = []

        async def numbers(client: Any) -> AsyncGenerator[int, None]:
            try:
                while True:
                    yield await client().incr("numbers")
            finally:
                await client().set("closed", "yes")
                await client().incr("numbers")

        async def main() -> None:
            kept.append(numbers(FINDS[find]()))  # or it would be closed at once
            assert await anext(kept[0]) == 1

        run(main())
        assert (admin.get("closed"), admin.get("numbers")) == (b"yes", b"2")
        assert caplog.records == []
        nothing_left()

    def test_generator_that_the_end_closes_may_be_the_first_to_use_redis(
        self, configured, run, admin, caplog, nothing_left
    ):
        """Its loop is about to end, and still has a pool for it."""
        kept: list[Any] = []

        async def once() -> AsyncGenerator[None, None]:
            try:
                yield
            finally:
                await get_async_redis().set("closed", "yes")

        async def main() -> None:
            kept.append(once())
            await anext(kept[0])
            get_async_pool()

        run(main())
        assert admin.get("closed") == b"yes"
        assert caplog.records == []
        nothing_left()

    def test_loop_that_is_just_closed_leaves_nothing_when_the_next_pool_is_made(
        self, configured, connected, nothing_left
    ):
        """Without shutdown_asyncgens() nobody tells the pool; it is found out later."""
        loop = asyncio.new_event_loop()
        loop.run_until_complete(with_found_pool(use_both))
        loop.close()
        left = connected()
        assert len(left) == 2

        def only_the_new_one() -> bool:
            return len(now := connected()) == 1 and not now & left

        async def main() -> None:
            await hit()
            await until(only_the_new_one)
            assert async_pools() == [get_async_pool()]

        asyncio.run(main())
        nothing_left()

    def test_pool_of_a_loop_that_is_just_closed_begins_anew_in_the_next(
        self, pool, connected, nothing_left
    ):
        """Its next use closes what was left."""
        loop = asyncio.new_event_loop()
        loop.run_until_complete(use_both(pool))
        loop.close()
        left = connected()
        assert len(left) == 2

        async def main() -> None:
            await pool.client.ping()
            await until(lambda: len(now := connected()) == 1 and not now & left)

        asyncio.run(main())
        nothing_left()

    def test_uvloop_that_is_just_closed_closes_its_sockets(self, configured, nothing_left):
        """It does that itself."""
        loop = new_uvloop()
        loop.run_until_complete(with_found_pool(use_both))
        loop.close()
        nothing_left()

    def test_pool_that_is_dropped_in_its_loop_leaves_nothing(
        self, url, run, connected, monkeypatch
    ):
        """No reference, no socket, and no complaint of a stream; the loop goes on."""
        dial = asyncio.open_connection

        def collect_and_dial(*args: Any, **kwargs: Any) -> Any:
            gc.collect(0)  # what is made after it will be finalized before
            return dial(*args, **kwargs)

        monkeypatch.setattr(asyncio, "open_connection", collect_and_dial)

        async def main() -> None:
            pool = AsyncRedisPool.from_url(url, client_name=NAME)
            await pool.client.ping()
            assert len(connected()) == 1
            del pool
            gc.collect()
            await until(lambda: not connected())

        run(main())


async def use_both(pool: AsyncRedisPool) -> None:
    """Use two connections of a pool, and leave them idle."""
    async with pool.lease() as one, pool.lease() as other:
        await one.ping()
        await other.ping()
    assert pool.stats().idle == 2


async def with_found_pool(use: Callable[[AsyncRedisPool], Coroutine[Any, Any, None]]) -> None:
    await use(get_async_pool())


class Looping:
    """A loop that runs in another thread."""

    def __init__(self, make_loop: MakeLoop = asyncio.new_event_loop) -> None:
        self.loop = make_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        assert self.loop.is_closed()


@pytest.fixture
def another(make_loop: MakeLoop) -> Iterator[Looping]:
    with closing(Looping(make_loop)) as looping:
        yield looping


class TestAtTheSameTime:
    """Loops in several threads."""

    def test_two_loops_have_a_pool_each(self, configured, run, connected, nothing_left):
        """With a bound of its own, and the process knows both."""
        both = threading.Barrier(2)

        async def main() -> AsyncRedisPool:
            await with_found_pool(use_both)
            both.wait(PATIENCE)
            assert len(connected()) == 4
            assert len(async_pools()) == 2
            both.wait(PATIENCE)
            return get_async_pool()

        threads = [spawn(run, main()) for _ in range(2)]
        assert len({id(thread.result()) for thread in threads}) == 2
        nothing_left()

    def test_pool_in_the_wrong_loop_says_what_to_do(self, pool, run, another):
        """As long as its own loop is there; and it goes on working in that."""
        another.run(use_both(pool))

        async def main() -> None:
            with pytest.raises(LeaseError) as caught:
                await pool.get_connection()
            assert str(caught.value) == (
                'the pool "default" belongs to another event loop, which still is there: '
                "call get_async_pool() in each loop, or make a pool for each"
            )

        run(main())
        another.run(use_both(pool))
        assert pool.stats().created == 2

    def test_lease_in_the_wrong_loop_says_what_to_do(self, configured, run, another):
        """A scope that two loops are in at once has a lease in each: ask for that."""

        async def make() -> Any:
            client = get_async_redis()
            await client.ping()
            return client

        with lease_scope():
            client = another.run(make())  # runs in a copy of this context

            async def main() -> None:
                with pytest.raises(LeaseError, match=r"call get_async_redis\(\)"):
                    await client.ping()
                assert await get_async_redis().ping()

            run(main())

    def test_pool_of_a_loop_that_has_ended_is_free_for_another(self, pool, run, make_loop):
        """Who made it may use it in the next thread's loop."""
        with closing(Looping(make_loop)) as first:
            first.run(use_both(pool))
        run(use_both(pool))

    def test_scope_that_ends_in_another_thread_gives_back_in_the_loop(self, configured, another):
        """As a middleware that knows no coroutines does; the connection is kept."""
        scopes: list[Any] = []

        async def main() -> AsyncRedisPool:
            with lease_scope() as scope:
                await get_async_redis().ping()
                assert get_async_pool().stats().in_use == 1
                scopes.append(scope)
                spawn(scope.end).result()
                assert get_async_pool().stats().in_use == 1  # the loop had no chance yet
                await until(lambda: not get_async_pool().stats().in_use)
            return get_async_pool()

        stats = another.run(main()).stats()
        assert (stats.in_use, stats.idle) == (0, 1)


class TestConfigure:
    """Settings that change while loops run."""

    def test_pools_of_settings_that_are_gone_close(self, settings, run, connected):
        """The next one has the new settings; nobody gets anything from the old one."""

        async def main() -> None:
            configure({"default": settings})
            before = get_async_pool()
            await before.client.ping()
            configure({"default": settings | {"MAX_CONNECTIONS": 3}})
            assert before.is_closed
            with pytest.raises(PoolClosedError):
                await before.client.ping()
            await until(lambda: not connected())
            assert get_async_pool().max_connections == 3
            assert await hit() == 1

        run(main())

    def test_pools_of_settings_that_stay_are_not_disturbed(self, settings, run, connected):
        """One alias changes, the other one has the same connection."""

        async def main() -> None:
            configure({"default": settings, "other": settings | {"MAX_CONNECTIONS": 1}})
            await hit()
            kept, before = get_async_pool(), connected()
            configure({"default": settings})
            assert get_async_pool() is kept
            await hit()
            assert connected() == before

        run(main())

    def test_pools_of_a_loop_in_another_thread_close_there(self, configured, another, nothing_left):
        """configure() is called wherever it is; sockets close in their own loop."""
        another.run(with_found_pool(use_both))
        configure({})
        nothing_left()

        async def main() -> None:
            with pytest.raises(ConfigError):
                get_async_pool()

        another.run(main())

    def test_connection_in_use_is_not_cut(self, configured, run):
        """The command after the change still answers, and then its connection closes."""

        async def main() -> None:
            pool = get_async_pool()
            async with pool.lease() as client:
                await client.ping()
                configure({})
                assert await client.ping()
                assert pool.stats().in_use == 1
            assert (pool.stats().in_use, pool.stats().idle) == (0, 0)

        run(main())


class TestCloseAsyncPools:
    """The end that is asked for."""

    def test_running_loops_pools_close(self, configured, run, connected):
        """Their sockets are gone soon after it returns, while the loop goes on."""

        async def main() -> None:
            pool = get_async_pool()
            await use_both(pool)
            await close_async_pools()
            assert pool.is_closed
            await until(lambda: not connected())

        run(main())

    def test_next_use_makes_a_new_pool(self, configured, run):
        """It is not the end of the loop."""

        async def main() -> None:
            before = get_async_pool()
            await hit()
            await close_async_pools()
            assert await hit() == 2
            assert get_async_pool() is not before

        run(main())

    def test_pools_of_other_loops_stay(self, configured, run, another):
        """Each loop closes its own."""
        another.run(with_found_pool(use_both))
        run(close_async_pools())

        async def main() -> int:
            await use_both(get_async_pool())
            return get_async_pool().stats().created

        assert another.run(main()) == 2


@FORK_WARNS
class TestFork:
    """A process that forks while an async pool is alive."""

    def test_child_of_a_coroutine_gets_a_fresh_pool_in_its_own_loop(
        self, configured, run, connected
    ):
        """It shares no socket with its parent, whose connection still works."""

        async def main() -> None:
            assert await hit() == 1
            parents, mine = get_async_pool(), connected()

            def in_the_child() -> None:
                assert run(hit()) == 2
                assert async_pools() == []
                assert parents.stats().in_use == parents.stats().idle == 0

            in_child(in_the_child)
            assert await hit() == 3
            assert get_async_pool() is parents
            assert connected() == mine
            assert parents.stats().created == 1

        run(main())

    def test_lease_of_the_parent_refuses_in_the_child(self, configured, run):
        """And goes on in the parent, in the middle of its transaction."""

        async def main() -> None:
            async with get_async_pool().lease() as client:
                pipeline = client.pipeline()
                await pipeline.watch("hits")

                async def use() -> None:
                    with pytest.raises(LeaseError, match="after a fork"):
                        await client.ping()

                in_child(lambda: run(use()))
                pipeline.multi()
                pipeline.incr("hits")
                assert await pipeline.execute() == [1]

        run(main())

    @FORKS
    def test_child_of_a_loop_that_stands_still_gets_a_fresh_pool(
        self, configured, make_loop, fork, connected
    ):
        """However it was forked, it begins anew; and the parent goes on."""
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(with_found_pool(use_both))
            mine = connected()

            def in_the_child() -> None:
                run_in_runner(make_loop, hit())
                assert mine <= connected()
                gc.collect()

            in_child(in_the_child, fork)
            assert runner.run(hit()) == 2
            assert connected() == mine

    @FORKS
    def test_pool_of_a_module_begins_anew_in_the_child(self, pool, make_loop, fork, connected):
        """The same object, another process: other connections."""
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(use_both(pool))
            mine = connected()

            def in_the_child() -> None:
                run_in_runner(make_loop, use_both(pool))
                assert mine <= connected()

            in_child(in_the_child, fork)
            runner.run(use_both(pool))
            assert connected() == mine

    @FORKS
    def test_child_does_not_wake_its_parents_loop(self, pool, fork):
        """The two share what wakes it, and what the child drops would like to be heard."""
        with asyncio.Runner() as runner:
            runner.run(use_both(pool))

            def in_the_child() -> None:
                asyncio.run(use_both(pool))
                gc.collect()

            in_child(in_the_child, fork)
            parents: Any = runner.get_loop()
            assert select.select([parents._ssock], [], [], 0) == ([], [], [])

    @FORKS
    def test_child_of_a_process_whose_loop_has_ended_works(self, configured, run, fork):
        """As a worker of a server that has warmed up before it forks."""
        run(hit())

        def in_the_child() -> None:
            assert run(hit()) == 2

        in_child(in_the_child, fork)
        assert run(hit()) == 3
