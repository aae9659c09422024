"""fork(): the child shares no socket and no lock with its parent."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis

import redis_pool_ext
from redis_pool_ext import LeaseError, RedisPool, get_pool

from .support.forks import FORK_WARNS, in_child, pretend_to_be_the_child
from .support.program import run_to_its_end
from .support.strikes import run_visited
from .support.stub import StubConnection
from .support.threads import spawn

pytestmark = FORK_WARNS

PACKAGE = (str(Path(redis_pool_ext.__file__).parent),)


def test_open_lease_is_refused_in_the_child_and_goes_on_in_the_parent(url):
    """The child is told; the parent's connection has not been touched."""
    with RedisPool.from_url(url) as pool, pool.lease() as client:
        client.select(3)  # state that a reconnect would lose
        client.set("k", "parent")

        def child() -> None:
            with pytest.raises(LeaseError, match="after a fork, take a lease in the child"):
                client.get("k")
            with pool.lease() as own:
                assert own.get("k") is None  # database 0: a connection of its own

        in_child(child)
        assert client.get("k") == b"parent"


def test_child_begins_with_an_empty_pool(url, admin):
    """Idle connections stay the parent's; the child opens its own."""
    with RedisPool.from_url(url) as pool:
        with pool.lease() as client:
            number = client.client_id()

        def child() -> None:
            assert pool.stats().idle == pool.stats().in_use == 0
            with pool.lease() as client:
                assert client.client_id() != number

        in_child(child)
        with pool.lease() as client:
            assert client.client_id() == number


def test_lease_that_ends_in_the_child_harms_nobody(url):
    """Leaving the `with` block in the child closes its copy of the socket only."""
    with RedisPool.from_url(url) as pool:
        lease = pool.lease()
        client = lease.client()
        client.ping()

        def child() -> None:
            lease.end()
            assert pool.stats().in_use == 0

        in_child(child)
        assert client.ping()
        lease.end()


def test_fork_while_another_thread_is_in_the_pool_does_not_block_the_child(url):
    """A lock that was held at the fork is not waited for in the child."""
    with RedisPool.from_url(url) as pool:
        held, let_go = threading.Event(), threading.Event()

        def hold_the_lock() -> None:
            with pool._lock:
                held.set()
                let_go.wait(10)

        holder = spawn(hold_the_lock)
        held.wait(10)

        def child() -> None:
            with pool.lease() as client:
                assert client.ping()

        try:
            in_child(child)
        finally:
            let_go.set()
            holder.result()


def test_fork_without_hooks_is_noticed(url):
    """A server that forks in C (uWSGI) runs no Python hooks: the pid tells."""
    with RedisPool.from_url(url) as pool:
        pool.release(pool.get_connection())
        inherited = pool._ledger.idle[0]
        inherited.pid = -1
        pretend_to_be_the_child(pool)

        fresh = pool.get_connection()
        assert fresh is not inherited
        assert inherited.slot is None
        pool.release(fresh)


def test_handler_in_a_child_that_begins_anew_keeps_what_it_takes():
    """Whenever it comes: the books that it has begun are not replaced by another start."""

    def take() -> None:
        with suppress(LeaseError):  # under the pool's lock, it is told to come later
            taken.append(pool.get_connection())

    for place in count():
        taken: list[Any] = []
        pool = RedisPool(StubConnection, max_connections=1, housekeeping_interval=None)
        pool.release(pool.get_connection())
        pretend_to_be_the_child(pool)
        where = run_visited(pool.stats, take, place, among=PACKAGE)
        if where is None:
            break
        for connection in taken:
            pool.release(connection)
            assert pool.stats().idle == 1, where


def test_process_pools_are_rebuilt_in_the_child(url):
    """get_pool() gives the child a pool that works."""
    redis_pool_ext.configure({"default": url})
    get_pool().release(get_pool().get_connection())

    def child() -> None:
        assert redis.Redis(connection_pool=get_pool()).ping()
        assert get_pool().stats().created == 1

    in_child(child)


def test_program_ends_without_noise(url):
    """Connections idle, leased and queued for at exit: nothing on stderr, status 0."""
    program = f"""
import threading, time, redis_pool_ext
redis_pool_ext.configure({{"default": {{"URL": {url!r}, "MAX_CONNECTIONS": 1}}}})
pool = redis_pool_ext.get_pool()
client = pool.lease().client()
client.ping()
threading.Thread(target=pool.get_connection, daemon=True).start()
time.sleep(0.05)
other = redis_pool_ext.RedisPool.from_url({url!r})
other.release(other.get_connection())
"""
    run_to_its_end(program)


def test_child_begins_anew_where_no_page_is_wiped(url):
    """macOS, or Linux before 4.14: the hooks, and asking for the process id, do it there."""
    program = f"""
import mmap, os

class Page(mmap.mmap):
    def madvise(self, *_args):
        raise OSError("Invalid argument")

mmap.mmap = Page

from redis_pool_ext import RedisPool, forks
from tests.support.forks import fork_without_hooks, in_child

pool = RedisPool.from_url({url!r}, housekeeping_interval=None)
pool.release(pool.get_connection())
inherited = pool._ledger.idle[0]

def child():
    connection = pool.get_connection()
    assert connection is not inherited
    assert forks.getpid() == os.getpid()

assert isinstance(forks.here, forks._PageByPid)
in_child(child)
in_child(child, fork_without_hooks)
assert pool.get_connection() is inherited
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=60, check=False
    )

    assert ended.returncode == 0, ended.stderr.decode()
