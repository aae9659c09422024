"""fork() from everywhere and by every means: in a lease, a thread, a handler, in C."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading

import pytest
import redis

from redis_pool_ext import (
    LeaseError,
    RedisPool,
    close_pools,
    configure,
    get_pool,
    get_redis,
    lease_scope,
)
from redis_pool_ext.connection import GuardedConnection, guarded
from redis_pool_ext.pooling import dialling

from ..support.forks import FORK_WARNS, fork_without_hooks, in_child, in_this_child, open_sockets
from ..support.proxy import FaultyProxy
from ..support.strikes import run_visited, visit_everywhere
from ..support.threads import spawn, wait_until
from .forked_work import incr_inherited, incr_twice

pytestmark = FORK_WARNS

LONG = os.environ.get("REDIS_POOL_EXT_LONG") == "1"
STRIDE = 1 if LONG else 11

forks = pytest.mark.parametrize("fork", [os.fork, fork_without_hooks], ids=["fork", "in-C"])


def assert_works(pool: RedisPool) -> None:
    """The pool is whole, and serves this process."""
    stats = pool.stats()
    assert (stats.in_use, stats.connecting, stats.waiting) == (0, 0, 0)
    with pool.lease() as client:
        mine = b"%d" % os.getpid()
        assert client.echo(mine) == mine


class TestSockets:
    """What the parent has connected stays its own."""

    @pytest.fixture
    def strangers(self, redis_server, admin):
        """Connections to the server that no pool under test has made."""
        gc.collect()  # pools of other tests
        admin.ping()
        return open_sockets(redis_server.port)

    @forks
    def test_child_closes_every_inherited_socket(self, url, redis_server, strangers, fork):
        """Idle, leased, subscribed: once the child has used its pool, it has one socket."""
        with RedisPool.from_url(url) as pool, pool.lease() as client, pool.lease() as other:
            client.ping()
            subscriber = other.pubsub()
            subscriber.subscribe("news")
            pool.release(pool.get_connection())
            assert len(open_sockets(redis_server.port) - strangers) == 3

            def child() -> None:
                connection = pool.get_connection()
                mine = open_sockets(redis_server.port) - strangers
                assert mine == {connection._sock.fileno()}

            in_child(child, fork)
            assert client.ping()
            subscriber.close()

    def test_child_closes_the_socket_of_a_dial_under_way(self, redis_server, admin):
        """A handshake in another thread: the child would keep its connection open."""
        with FaultyProxy(redis_server.port) as proxy:
            proxy.swallow()
            with RedisPool.from_url(proxy.url, timeout=10) as pool:
                dialler = spawn(pool.client.ping)
                wait_until(lambda: len(open_sockets(proxy.port)) == 1 and proxy.accepted == 1)
                slot = pool._ledger.slots()[0]
                wait_until(lambda: slot.connection is not None and slot.connection().pending > 0)
                in_child(lambda: check_equal(open_sockets(proxy.port), set()))
                proxy.resume()
                assert dialler.result()

    @forks
    def test_child_that_ends_in_order_cuts_nothing_of_its_parent(self, url, fork):
        """At its exit the child closes all pools: its copies only."""
        configure({"default": url})
        with lease_scope():
            number = get_redis().client_id()
            in_child(close_pools, fork)
            assert get_redis().client_id() == number


def check_equal(one: object, two: object) -> None:
    assert one == two


class TestInALease:
    """A fork in the middle of a request."""

    @forks
    def test_open_lease_is_refused_in_the_child_and_goes_on_in_the_parent(self, url, fork):
        """Whatever is tried with it: commands, pipelines, a WATCH that was begun."""
        with RedisPool.from_url(url) as pool, pool.lease() as client:
            pipeline = client.pipeline()
            pipeline.watch("k")

            def child() -> None:
                for use in (client.ping, client.release, client.pipeline(False).ping().execute):
                    with pytest.raises(LeaseError, match="after a fork, take a lease in the child"):
                        use()
                with pytest.raises((LeaseError, redis.WatchError)):  # its WATCH is gone
                    pipeline.get("k")
                pipeline.reset()
                assert_works(pool)

            in_child(child, fork)
            pipeline.multi()
            assert pipeline.set("k", "parent").execute() == [True]

    @forks
    def test_scope_of_the_parent_is_not_the_childs(self, url, fork):
        """get_redis() in a child that was forked in a request works, and so does a scope."""
        configure({"default": url})
        with lease_scope():
            number = get_redis().client_id()

            def child() -> None:
                assert get_redis().client_id() != number
                with lease_scope():
                    assert get_redis().client_id() == get_redis().client_id() != number

            in_child(child, fork)
            assert get_redis().client_id() == number

    def test_child_that_leaves_the_parents_blocks_harms_nobody(self, url):
        """sys.exit() in the child unwinds through the parent's `with` blocks."""
        configure({"default": url})
        with lease_scope():
            get_redis().select(3)

            def child() -> None:
                with pytest.raises(SystemExit), get_pool().lease() as client:
                    client.ping()
                    status = os.fork()
                    if status == 0:
                        raise SystemExit
                    os._exit(os.waitstatus_to_exitcode(os.waitpid(status, 0)[1]))
                assert_works(get_pool())

            in_child(child)
            get_redis().set("k", "in database 3")
            assert get_redis().get("k") == b"in database 3"


class TestFromAnywhere:
    """Not only the main thread forks, and not only once."""

    def test_child_that_goes_on_in_the_middle_of_a_dial_is_refused(self, url, monkeypatch):
        """What it has dialled is in its parent's books; it takes another one."""
        children: list[int] = []
        taken: list[GuardedConnection] = []

        def forking(connection_class: type) -> type:
            if not children:
                children.append(os.fork())
                if children == [0]:
                    taken.append(pool.get_connection())
            return guarded(connection_class)

        monkeypatch.setattr(dialling, "guarded", forking)
        with RedisPool.from_url(url) as pool:
            message = ""
            try:
                connection = pool.get_connection()
            except LeaseError as error:
                message = str(error)
            if children == [0]:
                in_this_child(lambda: assert_began_anew(pool, message, *taken))
            assert os.waitpid(children[0], 0)[1] == 0
            assert pool.stats().in_use == 1
            pool.release(connection)
            assert_works(pool)

    @forks
    def test_fork_in_a_thread_that_holds_a_lease(self, url, fork):
        """A thread other than the main one forks; its child's main thread is that one."""
        with RedisPool.from_url(url) as pool:

            def work() -> bytes:
                with pool.lease() as client:
                    client.ping()
                    in_child(lambda: assert_works(pool), fork)
                    return client.echo("parent")

            assert spawn(work).result() == b"parent"

    @forks
    def test_child_of_a_child_begins_anew_again(self, url, fork):
        """Each generation has an empty pool, and the one before goes on."""
        with RedisPool.from_url(url) as pool:

            def generation(number: int) -> None:
                with pool.lease() as client:
                    assert client.echo(number) == b"%d" % number
                    if number < 3:
                        in_child(lambda: generation(number + 1), fork)
                    assert client.echo(number) == b"%d" % number
                assert pool.stats().created == 1

            generation(0)

    @forks
    def test_fork_in_a_signal_handler_at_every_place(self, url, fork):
        """The handler's child works; the parent goes on with what it was doing."""
        # In the middle of a dial the child's whole life is a part of the parent's wait.
        with RedisPool.from_url(url, max_connections=2, timeout=20) as pool:

            def work() -> None:
                with pool.lease() as client:
                    assert client.echo("parent") == b"parent"
                pool.disconnect()

            places = [
                *visit_everywhere(
                    work, lambda: in_child(lambda: assert_works(pool), fork), stride=STRIDE
                )
            ]
            assert len(places) > 400 / STRIDE
            assert_works(pool)

    def test_child_that_returns_from_the_handler_mixes_up_nothing(self, url):
        """It goes on in the middle of its parent's work: with right replies, or an error."""
        with RedisPool.from_url(url, max_connections=2) as pool:
            place = 0
            while forked_at(place, pool):
                place += STRIDE
            assert place > 400
            assert_works(pool)


def assert_began_anew(pool: RedisPool, message: str, taken: GuardedConnection) -> None:
    assert "was forked while a connection" in message
    assert pool.stats().in_use == 1  # what became of the parent's slot has not touched ours
    pool.release(taken)
    assert_works(pool)
    assert pool.stats().idle == 1


def forked_at(place: int, pool: RedisPool) -> bool:
    """Work, with a fork at this place; tell whether it was reached."""
    children: list[int] = []
    where = run_visited(
        lambda: go_on_in_both(pool, children), lambda: children.append(os.fork()), place
    )
    statuses = [os.waitpid(pid, 0)[1] for pid in children]
    assert statuses in ([0], []), where
    return where is not None


def go_on_in_both(pool: RedisPool, children: list[int]) -> None:
    """Work, interrupted by a fork somewhere; the child checks its pool at the end, and ends."""
    replies: list[bytes] = []
    try:
        echo_twice(pool, replies)
    except Exception:
        assert children == [0]  # the parent has nothing to complain of
    if children == [0]:
        in_this_child(lambda: assert_right(replies, pool))
    assert replies == [b"a", b"b"]


def echo_twice(pool: RedisPool, replies: list[bytes]) -> None:
    with pool.lease() as client:
        replies += [client.echo("a"), client.echo("b")]
    pool.disconnect()


def assert_right(replies: list[bytes], pool: RedisPool) -> None:
    assert replies == [b"a", b"b"][: len(replies)]
    assert_works(pool)


class TestHousekeeper:
    """One thread per process, where threads can be started."""

    @pytest.mark.parametrize(
        ("fork", "keepers"), [(os.fork, 1), (fork_without_hooks, 0)], ids=["fork", "in-C"]
    )
    def test_child_has_one_of_its_own_and_the_parent_keeps_its_one(self, url, fork, keepers):
        """It starts with the child's first connection; where Python was not told, never."""
        with RedisPool.from_url(url) as pool:
            assert_works(pool)
            mine = housekeepers()
            assert len(mine) == 1

            def child() -> None:
                assert [thread for thread in housekeepers() if thread not in mine] == []
                assert_works(pool)
                pool.drain()
                assert_works(pool)
                assert len([thread for thread in housekeepers() if thread not in mine]) == keepers

            in_child(child, fork)
            pool.drain()
            assert_works(pool)
            assert housekeepers() == mine


def housekeepers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "housekeeper" in thread.name]


class TestMultiprocessing:
    """Every start method of the standard library."""

    @pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
    def test_started_processes_have_pools_of_their_own(self, url, admin, method):
        """Three processes, each configured for itself, count together."""
        configure({"default": url})
        assert get_redis().incr("hits") == 1
        with multiprocessing.get_context(method).Pool(2) as workers:
            counted = workers.map(incr_twice, [url] * 3, chunksize=1)
        assert sorted(n for first, second, _ in counted for n in (first, second)) == [*range(2, 8)]
        assert int(admin.get("hits")) == get_redis().incr("hits") - 1 == 7

    def test_forked_workers_use_what_their_parent_configured(self, url):
        """A pool that is in use in the parent serves the workers, by other connections."""
        configure({"default": url})
        with lease_scope():
            number = get_redis().client_id()
            with multiprocessing.get_context("fork").Pool(2) as workers:
                counted = workers.map(incr_inherited, range(6), chunksize=1)
            assert get_redis().client_id() == number
        assert sorted(count for count, _ in counted) == [*range(1, 7)]
        assert number not in {client for _, client in counted}


def test_handler_that_forks_while_its_thread_waits_in_the_queue(url):
    """SIGALRM in a waiter: the child has free places, the parent goes on waiting."""
    with RedisPool.from_url(url, max_connections=1, timeout=20) as pool:
        kept = pool.get_connection()
        forked = threading.Event()

        def handler(_signal: int, _frame: object) -> None:
            in_child(lambda: assert_works(pool))
            forked.set()

        before = signal.signal(signal.SIGUSR1, handler)
        try:
            waker = spawn(wake_up, pool, kept, forked)
            pool.release(pool.get_connection())
            waker.result()
        finally:
            signal.signal(signal.SIGUSR1, before)


def wake_up(pool: RedisPool, kept: object, forked: threading.Event) -> None:
    """Signal the main thread once it waits, and give it what it waits for after the fork."""
    wait_until(lambda: pool.stats().waiting == 1)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert forked.wait(20)
    pool.release(kept)
