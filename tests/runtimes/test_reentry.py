"""Signal handlers and finalizers that use a pool while their thread is inside of it.

Each test lets its handler come at every place of the main thread's work, one after the
other: in the pool, in redis-py, in the locks and events of `threading`.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
import redis

from redis_pool_ext import LeaseError, RedisPool, close_pools, configure, get_redis
from redis_pool_ext.pooling import housekeeper, liveness
from redis_pool_ext.pooling.liveness import looks_alive

from ..support.leases import age
from ..support.proxy import FaultyProxy
from ..support.strikes import STRUCK, run_visited, visit_everywhere
from ..support.stub import StubConnection
from ..support.threads import spawn, wait_until

LONG = os.environ.get("REDIS_POOL_EXT_LONG") == "1"
STRIDE = 1 if LONG else 13
PLACES = (*STRUCK, threading.__file__)


@pytest.fixture(autouse=True)
def told_where_it_is_stuck():
    """A handler that waits for its own thread waits for ever."""
    faulthandler.dump_traceback_later(50, exit=False)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def pool(url):
    with RedisPool.from_url(url, max_connections=3, timeout=5) as pool:
        yield pool


def assert_whole(pool: RedisPool, where: str) -> None:
    stats = pool.stats()
    assert (stats.in_use, stats.connecting, stats.waiting) == (0, 0, 0), where


class Lease:
    """The work that is interrupted: a lease, its commands, and a new connection each time."""

    def __init__(self, pool: RedisPool) -> None:
        self.pool = pool
        self.client: redis.Redis | None = None

    def __call__(self) -> None:
        self.pool.drain()
        with self.pool.lease() as client:
            self.client = client
            assert client.echo("outer") == b"outer"
            age(client)
            assert client.echo("outer") == b"outer"
            pipeline = client.pipeline()
            pipeline.watch("k")
            assert pipeline.echo("outer") == b"outer"
            pipeline.multi()
            assert pipeline.echo("one").echo("two").execute() == [b"one", b"two"]
            self.client = None


def test_handler_on_the_same_lease_has_its_own_reply_or_a_clear_error(pool):
    """It never reads another command's reply, and never harms the one it interrupts."""
    work, inner = Lease(pool), []

    def handler() -> None:
        if work.client is not None:
            inner.append(outcome(work.client.echo, "inner"))

    for where in visit_everywhere(work, handler, stride=STRIDE, among=PLACES):
        assert_whole(pool, where)
        assert pool.stats().discarded.get("lost", 0) == 0, where  # it took no second one
    errors = [error for error in inner if error != b"inner"]
    assert len(inner) > 400 / STRIDE
    assert 0 < len(errors) < len(inner)
    assert all("in the middle of" in error or "has ended" in error for error in errors)


def outcome(function: Callable[..., object], *args: object) -> object:
    """Return what a function returns, or the text of the LeaseError that it raises."""
    try:
        return function(*args)
    except LeaseError as error:
        return str(error)  # not the error: it would keep all frames alive


def test_pipelines_of_threads_that_share_a_lease_end_their_exchanges(pool):
    """After all of them an interrupted exchange is found and cleaned up, not refused."""
    lease = pool.lease()

    def work() -> None:
        for _ in range(100):
            pipeline = lease.client().pipeline()
            assert pipeline.echo("a").execute() == [b"a"]

    for thread in [spawn(work) for _ in range(4)]:
        thread.result()
    connection = lease.get_connection()
    connection.send_command("ECHO", "interrupted")
    lease.release(connection)
    assert lease.client().echo("next") == b"next"
    lease.end()


def test_handler_during_a_look_at_the_connection_is_told(redis_server, admin):
    """The socket does not wait then, and the reply takes its time."""
    with FaultyProxy(redis_server.port) as proxy, RedisPool.from_url(proxy.url) as pool:
        proxy.delay = 0.01
        with pool.lease() as client:
            connection = client.connection_pool.get_connection()
            inner: list[object] = []

            def handler() -> None:
                inner.append(outcome(client.echo, "inner"))

            for _ in visit_everywhere(
                lambda: looks_alive(connection), handler, among=(liveness.__file__,)
            ):
                assert connection.is_connected
                assert connection._sock.gettimeout() == connection.socket_timeout
            client.connection_pool.release(connection)
    assert len(inner) > 2
    assert "in the middle of" in str(inner)


def test_handler_that_ends_the_lease_harms_no_other_borrower(pool):
    """The command that it interrupts may fail; no reply is mixed up, and no place is lost."""
    work = Lease(pool)

    def interrupted() -> None:
        # AttributeError: redis-py's parser, without its socket.
        with suppress(redis.RedisError, AttributeError):
            work()

    def handler() -> None:
        if work.client is not None:
            work.client.connection_pool.end()

    for where in visit_everywhere(interrupted, handler, stride=STRIDE, among=PLACES):
        assert_whole(pool, where)
        assert pool.client.echo("after") == b"after", where


def test_handler_with_a_connection_of_its_own_is_served_or_told(pool):
    """A client of the pool: another connection, or a LeaseError within the lock."""
    work, inner = Lease(pool), []

    def handler() -> None:
        inner.append(outcome(pool.client.incr, "hits"))

    for where in visit_everywhere(work, handler, stride=STRIDE, among=PLACES):
        assert_whole(pool, where)
    served = [reply for reply in inner if isinstance(reply, int)]
    assert served == [*range(1, len(served) + 1)]
    assert len(served) > 400 / STRIDE
    assert all("inside the pool" in str(reply) for reply in inner if isinstance(reply, str))


def test_finalizer_that_returns_a_connection_never_blocks(pool):
    """A __del__ that runs inside the pool's lock leaves its connection to be picked up."""
    work = Lease(pool)
    count = 0
    kept: list = []

    def finalizer() -> None:
        pool.release(kept.pop())

    while True:
        kept.append(pool.get_connection())
        found = next(visit_everywhere(work, finalizer, start=count, among=PLACES), None)
        if found is None:
            break
        assert_whole(pool, found)
        assert pool.stats().discarded.get("lost", 0) == 0, found  # given back, not forgotten
        count += STRIDE
    assert count > 500
    pool.release(kept.pop())


def test_handler_in_the_registry_does_not_wait_for_its_own_thread(url):
    """Pools made, looked after and closed, while a handler does the same."""
    configure({"default": url, "other": url.replace("/0", "/1")})

    def work() -> None:
        close_pools()
        assert get_redis().echo("outer") == b"outer"

    def handler() -> None:
        assert get_redis("other").echo("inner") == b"inner"
        assert isinstance(outcome(get_redis().echo, "inner"), bytes | str)

    stride = 5 if LONG else 61  # reading settings has many places
    for where in visit_everywhere(work, handler, stride=stride, among=PLACES):
        assert get_redis().echo("after") == b"after", where


class Counted(housekeeper._Housekeeper):
    """A housekeeper that counts how often its thread was started."""

    starts = 0

    def _run(self) -> None:
        self.starts += 1
        super()._run()


def test_handler_while_the_housekeeper_starts_finds_it_starting():
    """Two pools that are new at the same time: nobody waits for himself, and one thread."""
    place = 0
    while started_at(place):
        place += 1
    assert place > 10


def started_at(place: int) -> bool:
    """Start a housekeeper, with a handler at this place; tell whether it was reached."""
    keeper = Counted()
    one, two = RedisPool(StubConnection), RedisPool(StubConnection)
    places = (housekeeper.__file__, threading.__file__)
    where = run_visited(lambda: keeper.add(one, 60), lambda: keeper.add(two, 60), place, places)
    one.close()
    two.close()
    wait_until(lambda: has_gone_home(keeper))
    assert keeper.starts == 1, where
    return where is not None


def has_gone_home(keeper: Counted) -> bool:
    with suppress(RuntimeError):  # rung, and not heard yet
        keeper._bell.release()
    return keeper._thread is None


def test_garbage_that_holds_leases_is_collected_anywhere(pool):
    """Cycles with open leases and pipelines in them, collected in the middle of the pool."""
    work = Lease(pool)

    def litter() -> None:
        client = pool.lease().client()
        client.echo("litter")
        cycle = [client, client.pipeline()]
        cycle.append(cycle)

    gc.disable()
    gc.freeze()  # what is there by now is none of it, and need not be looked through each time
    try:
        place = 0
        while True:
            litter()
            found = next(visit_everywhere(work, gc.collect, start=place, among=PLACES), None)
            if found is None:
                break
            assert pool.stats().in_use == 0, found
            place += STRIDE * 3
        assert place > 500
    finally:
        gc.unfreeze()
        gc.enable()


def test_real_signals_during_commands_mix_up_no_reply(pool):
    """SIGUSR1 from another thread, its handler on the same lease: one second of them."""
    inner: list[object] = []
    stop, handled = threading.Event(), threading.Semaphore(0)

    def handler(_signal: int, _frame: object) -> None:
        inner.append(outcome(client.echo, "inner"))
        handled.release()

    def bombard() -> None:
        while not stop.wait(0.0005):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert handled.acquire(timeout=10)  # one after the other, not one in the other

    before = signal.signal(signal.SIGUSR1, handler)
    client = pool.lease().client()
    thread = spawn(bombard)
    try:
        wait_until(lambda: client.echo("outer") == b"outer" and len(inner) > 300)
    finally:
        stop.set()
        thread.result()
        signal.signal(signal.SIGUSR1, before)
    client.connection_pool.end()
    assert all(reply == b"inner" or isinstance(reply, str) for reply in inner)
