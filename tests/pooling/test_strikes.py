"""S5: whatever strikes, and wherever: no slot is lost, and nobody waits for one in vain."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count

import pytest
import redis

from redis_pool_ext import RedisPool

from ..support.strikes import Strike, run_visited, strike_everywhere
from ..support.stub import StubConnection
from ..support.threads import spawn, wait_until


@pytest.fixture(autouse=True)
def no_collector(monkeypatch):
    """What only the garbage collector gives back is lost to those who wait now."""
    # A strike in a finalizer: the test runner's hook would keep the object alive.
    monkeypatch.setattr(sys, "unraisablehook", lambda _unraisable: None)
    gc.disable()
    yield
    gc.enable()


def assert_whole(pool: RedisPool, where: str) -> None:
    stats = pool.stats()
    assert (stats.in_use, stats.connecting, stats.waiting) == (0, 0, 0), where
    taken = [pool.get_connection() for _ in range(pool.max_connections)]
    for connection in taken:
        pool.release(connection)


def strike(pool: RedisPool, scenario: Callable[[], object]) -> int:
    places = 0
    for where in strike_everywhere(scenario):
        places += 1
        assert_whole(pool, where)
    return places


@pytest.fixture
def pool():
    """A pool of two, whose connections answer at once and to nobody."""
    with RedisPool(StubConnection, max_connections=2, timeout=0.5) as pool:
        yield pool


def test_strike_while_an_idle_connection_is_lent_and_returned(pool):
    """Get and release, struck at each place."""

    def scenario():
        pool.release(pool.get_connection())

    assert strike(pool, scenario) > 5


def test_strike_while_a_new_connection_is_dialled(pool):
    """Queue, dial, release."""

    def scenario():
        pool.disconnect()
        pool.release(pool.get_connection())

    assert strike(pool, scenario) > 50


def test_strike_while_a_dead_connection_is_renewed(pool):
    """An idle connection that proves dead, dialled again in its slot."""

    def scenario():
        connection = pool.get_connection()
        pool.release(connection)
        connection.disconnect()
        pool.release(pool.get_connection())

    assert strike(pool, scenario) > 50


def test_strike_while_a_dirty_connection_is_closed(pool):
    """A connection that comes back with an unread reply."""

    def scenario():
        connection = pool.get_connection()
        connection.pending = 1
        pool.release(connection)

    assert strike(pool, scenario) > 30


def test_strike_while_a_connection_comes_back_for_a_waiter():
    """The waiter has it, or a new one, long before its timeout: S8, also after a strike."""

    def borrow() -> None:
        pool.release(pool.get_connection())

    def strike() -> None:
        raise Strike

    def give_back() -> None:
        with suppress(Strike):
            pool.release(kept.pop())

    with RedisPool(StubConnection, max_connections=1, timeout=30) as pool:
        for place in count():
            kept = [pool.get_connection()]
            waiter = spawn(borrow)
            wait_until(lambda: pool.stats().waiting == 1)
            where = run_visited(give_back, strike, place)
            waiter.join(20)
            assert not waiter.is_alive(), where
            if where is None:
                break

        assert place > 10


def test_strike_while_what_was_dropped_is_picked_up(pool):
    """A connection that nobody gave back: its slot is found, struck or not."""

    def scenario():
        pool.get_connection()
        pool.get_connection()
        pool.stats()

    assert strike(pool, scenario) > 30


def test_strike_while_a_wait_runs_out():
    """A caller that is refused, and whose refusal is struck."""
    with RedisPool(StubConnection, max_connections=1, timeout=0.001) as pool:

        def scenario():
            kept = pool.get_connection()
            try:
                pool.get_connection()
            except redis.ConnectionError:
                pass
            finally:
                pool.release(kept)

        assert strike(pool, scenario) > 100


def test_strike_while_a_dial_fails():
    """A dial that fails, and whose failure is struck."""

    script: list = []
    with RedisPool(StubConnection, max_connections=1, timeout=0.5, script=script) as pool:

        def scenario():
            pool.disconnect()
            script.append(redis.ConnectionError("no"))
            try:
                pool.release(pool.get_connection())
            except redis.ConnectionError:
                pass
            finally:
                script.clear()
                pool._ledger.circuit.succeeded()

        assert strike(pool, scenario) > 100


def test_strike_while_a_lease_begins_works_and_ends(url):
    """A lease on a real connection, a command and a pipeline."""
    with RedisPool.from_url(url, max_connections=2, timeout=0.5) as pool:

        def scenario():
            with pool.lease() as client:
                client.echo(b"text")
                client.pipeline().echo(b"a").echo(b"b").execute()

        assert strike(pool, scenario) > 300


@pytest.mark.parametrize("protocol", [2, 3])
def test_second_strike_mixes_up_no_reply(url, protocol):
    """A command was struck before its reply was read, and the next one is struck as well."""
    with RedisPool.from_url(url, timeout=0.5, protocol=protocol) as pool, pool.lease() as client:

        def scenario():
            with suppress(redis.ConnectionError):  # "a reply was never read", and closed
                client.echo(b"mine")

        def interrupted():
            connection = client.connection_pool.get_connection()
            connection.send_command("ECHO", "somebody else's")
            client.connection_pool.release(connection)

        interrupted()
        for where in strike_everywhere(scenario):
            assert client.echo(b"the next") == b"the next", where
            interrupted()
