"""The client of a request that may never use it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import redis

from redis_pool_ext import LeaseError, RedisPool
from redis_pool_ext.client import LeasedRedis
from redis_pool_ext.scope import Scope
from redis_pool_ext.web.lazy import LazyRedis

from ..support.forks import FORK_WARNS, in_child
from ..support.threads import spawn


@pytest.fixture
def pool(url: str) -> Iterator[RedisPool]:
    with RedisPool.from_url(url, max_connections=1, timeout=20) as pool:
        yield pool


@pytest.fixture
def scope() -> Iterator[Scope]:
    scope = Scope("a test")
    yield scope
    scope.end()


def test_client_that_is_not_used_looks_for_no_pool(scope, pool):
    """It is a redis.Redis from the first, and goes without having looked for anything."""
    lookups = []

    def find_pool() -> RedisPool:
        lookups.append("one")
        return pool

    lazy = LazyRedis(scope, find_pool)
    assert isinstance(lazy, redis.Redis)
    del lazy
    assert lookups == []


def test_client_that_is_used_is_the_scopes(scope, pool):
    """One lease, one connection, and the same class as any other leased client."""
    lazy = LazyRedis(scope, lambda: pool)
    assert lazy.client_id() == scope.client(pool).client_id()
    assert type(lazy) is type(scope.client(pool))
    assert pool.stats().acquired == 1


def test_callback_that_is_set_holds_for_the_scopes_client(scope, pool):
    """They are one client, under two names."""
    lazy = LazyRedis(scope, lambda: pool)
    lazy.set_response_callback("PING", lambda *_args, **_options: "answered")
    assert scope.client(pool).ping() == lazy.ping() == "answered"


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.pipeline().ping().execute(),
        lambda client: client.release(),
        lambda client: client.lock("name").acquire(),
        repr,
    ],
    ids=["pipeline", "release", "lock", "repr"],
)
def test_any_first_use_will_do(scope, pool, use):
    """Whatever is done first finds a whole client."""
    lazy = LazyRedis(scope, lambda: pool)
    use(lazy)
    assert lazy.ping()
    assert isinstance(lazy, LeasedRedis)


def test_threads_that_use_it_first_share_one_lease(scope, pool):
    """All of them are on their way to the lease, and there is one."""
    barrier = threading.Barrier(8)

    def find_pool() -> RedisPool:
        barrier.wait(20)
        return pool

    lazy = LazyRedis(scope, find_pool)

    def use() -> int:
        return lazy.client_id()  # both in the thread: what is asked for first makes the lease

    ids = [thread.result() for thread in [spawn(use) for _ in range(8)]]
    assert len(set(ids)) == 1
    assert pool.stats().acquired == 1


def test_attribute_that_no_client_has_is_missing(scope, pool):
    """As with any client, before and after."""
    lazy = LazyRedis(scope, lambda: pool)
    for _ in range(2):
        with pytest.raises(AttributeError, match="no_such_command"):
            lazy.no_such_command()


def test_first_use_after_the_end_raises(scope, pool):
    """A client that was kept for later takes no connection that nobody gives back."""
    lazy = LazyRedis(scope, lambda: pool)
    scope.end()
    with pytest.raises(LeaseError, match="has ended with its request"):
        lazy.ping()
    assert pool.stats().acquired == 0


@FORK_WARNS
def test_first_use_in_a_child_of_a_fork_raises(scope, pool):
    """The request is the parent's, though it holds no connection yet."""
    lazy = LazyRedis(scope, lambda: pool)

    def child() -> None:
        with pytest.raises(LeaseError, match="after a fork, take a lease in the child"):
            lazy.ping()

    in_child(child)
    assert lazy.ping()


def test_error_of_the_lookup_comes_each_time(scope):
    """A wrong setting is told to the one who uses the client, not turned into half of one."""

    def find_pool() -> RedisPool:
        raise LookupError("no such pool")

    lazy = LazyRedis(scope, find_pool)
    for _ in range(2):
        with pytest.raises(LookupError, match="no such pool"):
            lazy.ping()
