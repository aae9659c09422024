"""A lease lends its budget to its connections; the next borrower finds nothing of it."""

from __future__ import annotations

import gc
import pickle
import sys
import threading

import pytest
import redis

from redis_pool_ext import (
    BudgetExceededError,
    ConfigError,
    PoolUnavailableError,
    RedisPool,
    configure,
    lease_scope,
    shared_redis,
)
from redis_pool_ext.budget import Budget
from redis_pool_ext.client import LeasedRedis
from redis_pool_ext.connection import GuardedConnection
from redis_pool_ext.lease import Lease
from redis_pool_ext.scope import Scope

from ..support.proxy import FaultyProxy
from ..support.threads import spawn

LONG = 60.0  # seconds that nothing here takes


@pytest.fixture
def pool(url):
    """A pool of one connection, which every borrower gets; replies may take a minute."""
    with RedisPool.from_url(url, max_connections=1, socket_timeout=LONG, timeout=5) as pool:
        yield pool


def is_as_new(pool: RedisPool) -> bool:
    """Tell whether the next borrower finds no budget, and the timeout that was configured."""
    connection = pool.get_connection()
    try:
        assert connection.budget is None
        assert connection._replies.budget is None
        assert connection._sock.gettimeout() == LONG
    finally:
        pool.release(connection)
    return True


def spent(seconds: float = 1.0) -> Budget:
    """Return a budget of which nothing is left."""
    budget = Budget(seconds)
    budget._spent = seconds
    return budget


# -- the next borrower ---------------------------------------------------------------------


def test_budget_that_is_set_while_the_lease_ends_is_nobody_elses(pool, monkeypatch):
    """A signal handler, or another thread, gives back what was about to be lent it."""
    scope = Scope("GET / (view)")
    scope.client(pool).ping()
    (connection,) = scope.client(pool).connection_pool.held
    lend = connection.lend

    def end_before(budget: Budget | None) -> None:
        monkeypatch.setattr(connection, "lend", lend)
        scope.end()
        lend(budget)

    monkeypatch.setattr(connection, "lend", end_before)
    scope.limit(budget=1.0)

    assert is_as_new(pool)


def test_command_whose_budget_is_taken_off_as_it_begins_goes_on_without(pool):
    """Another thread sets the terms of the request anew."""
    with pool.lease(budget=LONG) as client:
        client.set("key", 1)
        (connection,) = client.connection_pool.held
        connection.lend(None)
        assert client.get("key") == b"1"


def test_wait_that_a_budget_cuts_says_how_long_it_was(pool):
    """Not the pool's timeout, which others have."""
    kept = pool.get_connection()
    with pool.lease(budget=0.05) as client, pytest.raises(BudgetExceededError) as caught:
        client.ping()
    assert "no connection within 0.05 s" in str(caught.value.__cause__)
    pool.release(kept)


def ends(client: LeasedRedis) -> None:
    client.ping()


def gives_back_early(client: LeasedRedis) -> None:
    client.ping()
    client.release()


def is_refused(client: LeasedRedis) -> None:
    client.ping()
    client.connection_pool.budget.seconds = 0.0
    with pytest.raises(BudgetExceededError):
        client.ping()


def fails_to_block(client: LeasedRedis) -> None:
    client.connection_pool.budget.seconds = 0.05
    with pytest.raises(BudgetExceededError):
        client.blpop("queue", 30)


def has_its_budget_taken_off(client: LeasedRedis) -> None:
    client.ping()
    client.connection_pool.budget = None
    client.ping()


@pytest.mark.parametrize("hold", ["request", "command"])
@pytest.mark.parametrize(
    "request_", [ends, gives_back_early, is_refused, fails_to_block, has_its_budget_taken_off]
)
def test_next_borrower_finds_no_budget_and_the_ordinary_timeout(url, hold, request_):
    """However the one before has given back."""
    with RedisPool.from_url(url, max_connections=1, socket_timeout=LONG, hold=hold) as pool:
        with pool.lease(budget=1.0) as client:
            request_(client)
        assert is_as_new(pool)
        assert pool.stats().in_use == 0


def test_budget_is_on_the_connection_as_long_as_the_lease_has_it(pool):
    """The socket's timeout is what is left, not the minute."""
    with pool.lease(budget=1.0) as client:
        client.ping()
        (connection,) = client.connection_pool.held
        assert connection.budget is client.connection_pool.budget
        assert connection._sock.gettimeout() <= 1.0


def test_connection_of_a_pubsub_comes_back_without_the_budget(url):
    """It is closed, and the one in its place knows nothing of it."""
    with RedisPool.from_url(url, max_connections=2, socket_timeout=LONG) as pool:
        with pool.lease(budget=1.0) as client, client.pubsub() as pubsub:
            pubsub.subscribe("channel")
            assert pubsub.connection.budget is client.connection_pool.budget
            kept = pubsub.connection
        assert kept.budget is None
        assert is_as_new(pool)


def test_connection_of_a_lease_that_was_dropped_comes_back_without_the_budget(url):
    """A library that had it out gives it back to the pool itself."""
    configure({"default": {"URL": url, "OPTIONS": {"socket_timeout": LONG}}})
    shared = shared_redis().connection_pool
    with lease_scope(budget=1.0) as scope:
        connection = shared.get_connection()
        assert connection.budget is scope.budget
        scope._clients.clear()
        gc.collect()
        shared.release(connection)
    assert connection.budget is None
    assert is_as_new(shared.pool)


def test_connection_outside_of_a_scope_has_no_budget(pool):
    """It is a lease's, and a plain client has none."""
    client = redis.Redis(connection_pool=pool)
    with lease_scope(budget=0.001):
        assert client.ping()
    assert is_as_new(pool)


# -- nothing left --------------------------------------------------------------------------


def test_command_without_budget_is_not_sent(pool, admin):
    """The connection is as good as before, and the next borrower has the same one."""
    with pool.lease(budget=LONG) as client:
        client.set("key", "before")
        (connection,) = client.connection_pool.held
        client.connection_pool.budget = spent()
        for command in (
            lambda: client.set("key", "after"),
            lambda: client.pipeline().set("key", "after").execute(),
            lambda: client.transaction(lambda pipe: pipe.set("key", "after"), "key"),
            lambda: client.blpop("queue"),
        ):
            with pytest.raises(BudgetExceededError) as caught:
                command()
            assert caught.value.__cause__ is None
    with pool.lease() as client:
        assert client.get("key") == b"before"
        assert client.connection_pool.held == [connection]
    assert pool.stats().created == 1


def test_first_command_without_budget_asks_for_no_connection(pool):
    """Neither is one dialled nor does it count as a request."""
    with pool.lease(budget=spent()) as client:
        for take in (
            client.ping,
            client.pubsub().ping,
            client.monitor,
            client.connection_pool.take,
        ):
            with pytest.raises(BudgetExceededError):
                take()
    stats = pool.stats()
    assert (stats.created, stats.acquired, stats.timed_out) == (0, 0, 0)


def test_watch_without_budget_ends(pool):
    """Its UNWATCH would be refused: the connection is closed, and given back."""
    with pool.lease(budget=LONG) as client:
        with client.pipeline() as pipe:
            pipe.watch("key")
            client.connection_pool.budget.seconds = 0.0
            pipe.multi()
            pipe.set("key", "value")
            with pytest.raises(BudgetExceededError):
                pipe.execute()
        client.connection_pool.budget.seconds = LONG
        assert client.get("key") is None
    assert pool.stats().in_use == 0
    assert is_as_new(pool)


def test_busy_monitor_ends_with_the_budget(pool, admin):
    """There is always a command to be read, and nobody ever has to wait."""
    with pool.lease(budget=LONG) as client, client.monitor() as monitor:
        admin.ping()
        admin.ping()
        assert monitor.next_command()
        client.connection_pool.budget.seconds = 0.0
        with pytest.raises(BudgetExceededError):
            monitor.next_command()


def test_reply_that_is_there_by_now_is_read(pool):
    """What the server has done is told, however late: to read it is no wait."""
    with pool.lease(budget=LONG) as client:
        client.ping()
        (connection,) = client.connection_pool.held
        connection.send_command("ECHO", "text")
        while not connection.can_read(0):
            pass
        client.connection_pool.budget.seconds = 0.0
        assert connection.read_response() == b"text"


def test_unread_reply_closes_the_connection(pool):
    """As after every timeout: nobody reads it in place of their own."""
    with pool.lease(budget=0.05) as client:
        with pytest.raises(BudgetExceededError) as caught:
            client.blpop("queue", 30)
        assert isinstance(caught.value.__cause__, redis.TimeoutError)
        assert not client.connection_pool.held[0].is_connected
    assert pool.stats().discarded == {"error": 1}
    assert is_as_new(pool)


def test_error_tells_the_seconds_and_the_way_out(pool):
    """With the alias, the numbers and when to come back; also after it was pickled."""
    with pool.lease(budget=spent(1.5)) as client, pytest.raises(BudgetExceededError) as caught:
        client.ping()
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert str(error).startswith("the 1.50 s that this request or task may spend on Redis")
        assert "raise the budget" in str(error)
        assert (error.alias, error.stats.max_connections) == ("default", 1)
        assert error.retry_after >= 1
    assert isinstance(caught.value, redis.TimeoutError)


# -- the pool ------------------------------------------------------------------------------


def test_wait_in_the_queue_ends_with_the_budget(pool):
    """The pool counts it as what it was to it."""
    kept = pool.get_connection()
    with pool.lease(budget=0.05) as client, pytest.raises(BudgetExceededError) as caught:
        client.ping()
    assert type(caught.value.__cause__).__name__ == "ConnectionPoolTimeoutError"
    assert pool.stats().timed_out == 1
    pool.release(kept)
    assert is_as_new(pool)


def test_wait_for_another_threads_turn_ends_with_the_budget(pool):
    """Threads that share a lease spend the same seconds."""
    with pool.lease(budget=0.05) as client:
        lease = client.connection_pool
        lease.budget.seconds = LONG
        taken, let_go = threading.Event(), threading.Event()

        def keep() -> None:
            connection = lease.get_connection()
            taken.set()
            let_go.wait(10)
            lease.release(connection)

        other = spawn(keep)
        assert taken.wait(10)
        lease.budget.seconds = 0.05
        with pytest.raises(BudgetExceededError):
            client.ping()
        with pytest.raises(BudgetExceededError):
            client.release()
        let_go.set()
        other.result()


def test_open_circuit_is_told_as_such(url):
    """At once, and with the budget as it was."""
    with FaultyProxy(1) as proxy, RedisPool.from_url(proxy.url, max_connections=2) as pool:
        proxy.refuse()
        with pool.lease(budget=LONG) as client:
            for _ in range(5):
                with pytest.raises(PoolUnavailableError):
                    client.ping()
            assert pool.stats().circuit == "open"
            assert client.connection_pool.budget.left() > LONG - 5


# -- what costs nothing --------------------------------------------------------------------


def test_computing_costs_nothing(pool, monkeypatch):
    """What passes between two commands is the view's own."""
    moment = [0.0]
    monkeypatch.setattr(sys.modules[Budget.__module__], "monotonic", lambda: moment[0])
    with pool.lease(budget=1.0) as client:
        for _ in range(10):
            client.ping()
            moment[0] += 100
        assert client.connection_pool.budget.left() == 1.0


def test_short_way_is_taken_with_a_budget(pool, monkeypatch):
    """As without one: redis-py's own send is not asked."""
    with pool.lease(budget=LONG) as client:
        client.ping()
        monkeypatch.setattr(GuardedConnection, "send_command", None)
        assert client.set("key", "value")
        assert client.get("key") == b"value"


def test_short_way_has_no_budget_to_ask_without_one(pool, monkeypatch):
    """Not so much as a question."""
    plain, _ = Lease._ways
    monkeypatch.setattr(Lease, "_ways", (plain, lambda *_args: pytest.fail("a budget is asked")))
    monkeypatch.setattr(GuardedConnection, "_cut_timeout", None)
    with pool.lease() as client:
        client.ping()
        assert client.get("key") is None


def test_timeout_is_not_set_for_each_command(pool, clock):
    """It is a system call, and only where a wait would outlast the budget by some milliseconds."""
    with pool.lease(budget=LONG) as client:
        client.ping()
        (connection,) = client.connection_pool.held
        set_to = connection._sock.gettimeout()
        clock.stop()  # twenty commands may take a busy machine longer than that
        clock.advance(0.001)
        for _ in range(20):
            client.ping()
        assert connection._sock.gettimeout() == set_to
        connection.budget.seconds = 30.0
        client.ping()
        assert connection._sock.gettimeout() <= 30.0


# -- a budget that changes -----------------------------------------------------------------


def test_budget_of_a_scope_reaches_what_its_leases_hold(url):
    """Whoever sets it in the middle of a request means what comes from then on."""
    configure({"default": {"URL": url, "OPTIONS": {"socket_timeout": LONG}}})
    pool = shared_redis().connection_pool.pool
    scope = Scope()
    client = scope.client(pool)
    client.ping()
    pubsub = client.pubsub()
    pubsub.subscribe("channel")
    scope.limit(budget=1.0)
    assert client.connection_pool.held[0].budget is scope.budget
    assert pubsub.connection.budget is scope.budget
    client.ping()
    assert client.connection_pool.held[0]._sock.gettimeout() <= 1.0
    scope.limit(budget=30.0)  # and a higher one has longer waits
    client.ping()
    assert 1.0 < client.connection_pool.held[0]._sock.gettimeout() <= 30.0
    scope.end()
    assert is_as_new(pool)


def test_leases_of_a_scope_spend_together(url):
    """The budget is the request's, whatever pools it uses."""
    configure({"default": url, "other": url})
    with lease_scope(budget=spent()):
        for alias in ("default", "other"):
            with pytest.raises(BudgetExceededError):
                shared_redis(alias).ping()


def test_library_with_a_shared_client_is_within_the_budget(url):
    """Its locks, too: what it waits for is the request's."""
    configure({"default": url})
    shared = shared_redis()
    shared.set("lock", "somebody's")
    with lease_scope(budget=0.15), pytest.raises(BudgetExceededError):
        shared.lock("lock").acquire()


def test_pause_before_another_attempt_at_a_lock_does_not_outlast_the_budget(pool):
    """It is not begun: nobody would be there to have the lock."""
    with pool.lease(budget=LONG) as client:
        client.set("lock", "somebody's")
        with pytest.raises(BudgetExceededError):
            client.lock("lock", sleep=LONG).acquire()
        assert client.connection_pool.budget.left() > LONG - 5


def test_lock_that_is_waited_for_as_long_as_wanted_is_redis_pys(pool):
    """False, when that is less than the budget; and at once, when nobody wants to wait."""
    with pool.lease(budget=LONG) as client:
        client.set("lock", "somebody's")
        assert client.lock("lock", blocking_timeout=0.05, sleep=0.02).acquire() is False
        assert client.lock("lock").acquire(blocking=False) is False
        client.delete("lock")
        with client.lock("lock", timeout=10) as lock:
            assert lock.owned()


@pytest.mark.parametrize("budget", [0, -1, "1", True])
def test_impossible_budget_is_refused(pool, budget):
    """Before anything is done, with the argument's name."""
    with pytest.raises(ConfigError, match="budget"):
        pool.lease(budget=budget)
