"""The pool itself: borrowing, queueing, refusing, closing; on connections without a socket."""

from __future__ import annotations

import gc
import random
import threading
import time
from typing import Any

import pytest
import redis

from redis_pool_ext import (
    ConfigError,
    ConnectionPoolTimeoutError,
    LeaseError,
    PoolClosedError,
    PoolExhaustedError,
    PoolQueueFullError,
    PoolUnavailableError,
    RedisPool,
)
from redis_pool_ext.deadline import Deadline

from .support.stub import StubConnection
from .support.threads import spawn, wait_until


def stub_pool(max_connections: int = 2, timeout: float = 5.0, **kwargs: Any) -> RedisPool:
    return RedisPool(StubConnection, max_connections, timeout, **kwargs)


class TestBorrowing:
    """get_connection and release."""

    def test_new_pool_has_no_connection(self):
        """Making a pool connects nothing."""
        stats = stub_pool().stats()

        assert (stats.in_use, stats.idle, stats.connecting, stats.created) == (0, 0, 0, 0)

    def test_released_connection_is_reused(self):
        """A connection that came back is handed out again."""
        pool = stub_pool()
        first = pool.get_connection()
        pool.release(first)

        assert pool.get_connection() is first
        assert pool.stats().created == 1

    def test_newest_idle_connection_is_reused_first(self):
        """Surplus connections age at the bottom of the stack."""
        pool = stub_pool()
        one, two = pool.get_connection(), pool.get_connection()
        pool.release(one)
        pool.release(two)

        assert pool.get_connection() is two

    def test_sizes_add_up(self):
        """in_use and idle are what was taken and given back."""
        pool = stub_pool(3)
        kept = [pool.get_connection() for _ in range(3)]
        pool.release(kept.pop())
        stats = pool.stats()

        assert (stats.in_use, stats.idle, stats.acquired, stats.released) == (2, 1, 3, 1)

    def test_second_release_is_refused_and_changes_nothing(self):
        """A double release raises, and the connection stays in the pool once."""
        pool = stub_pool()
        connection = pool.get_connection()
        pool.release(connection)

        with pytest.raises(LeaseError, match="released twice"):
            pool.release(connection)
        stats = pool.stats()
        assert (stats.in_use, stats.idle, stats.double_releases) == (0, 1, 1)

    def test_foreign_connection_is_refused(self):
        """A connection of another pool, or of no pool, is not taken."""
        pool, other = stub_pool(), stub_pool()

        with pytest.raises(LeaseError, match="is not of the pool"):
            pool.release(other.get_connection())
        with pytest.raises(LeaseError, match="is not of the pool"):
            pool.release(redis.Connection())
        assert pool.stats().idle == 0

    def test_pool_is_true(self):
        """redis-py replaces a false pool by one to localhost."""
        pool = stub_pool()

        assert pool
        assert redis.Redis(connection_pool=pool).connection_pool is pool

    def test_repr_shows_the_numbers_and_no_password(self):
        """What a debugger shows is sizes, not settings."""
        pool = stub_pool(password="hush", username="me")

        assert repr(pool) == '<RedisPool "default" in_use=0 idle=0 waiting=0 max=2>'

    def test_impossible_argument_names_itself(self):
        """A pool of no connections is an error at once."""
        with pytest.raises(ConfigError, match=r"max_connections: 0 is too small"):
            stub_pool(0)


class TestQueueing:
    """Waiting for a connection, in order, up to the timeout."""

    def test_exhausted_pool_raises_after_the_timeout(self):
        """The error says how long was waited, and the numbers."""
        pool = stub_pool(1, timeout=0.05)
        kept = pool.get_connection()

        with pytest.raises(ConnectionPoolTimeoutError) as caught:
            pool.get_connection()

        assert str(caught.value) == (
            'no connection within 0.05 s (pool "default": in_use=1 idle=0 waiting=0 max=1); '
            "raise MAX_CONNECTIONS or hold leases shorter"
        )
        assert isinstance(caught.value, redis.ConnectionError)
        assert caught.value.alias == "default"
        assert caught.value.retry_after >= 1
        assert caught.value.stats.in_use == 1
        pool.release(kept)

    def test_deadline_of_a_caller_is_told_instead_of_the_timeout(self):
        """What was allowed is said, not what others are."""
        pool = stub_pool(1, timeout=30)
        kept = pool.get_connection()

        with pytest.raises(ConnectionPoolTimeoutError, match=r"no connection within 0\.03 s"):
            pool.get_connection(deadline=Deadline(0.03))
        pool.release(kept)

    def test_timeout_zero_does_not_wait(self):
        """timeout=0 is a try."""
        pool = stub_pool(1, timeout=0)
        kept = pool.get_connection()
        began = time.monotonic()

        with pytest.raises(ConnectionPoolTimeoutError):
            pool.get_connection()

        assert time.monotonic() - began < 0.5
        pool.release(kept)

    def test_waiter_gets_the_released_connection(self):
        """What comes back goes to the one who waits."""
        pool = stub_pool(1)
        kept = pool.get_connection()
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        pool.release(kept)

        assert waiter.result() is kept
        stats = pool.stats()
        assert (stats.waited, stats.waiting, stats.in_use) == (1, 0, 1)
        assert stats.wait_seconds > 0

    def test_connection_that_is_handed_over_is_not_looked_at(self, monkeypatch):
        """It was in use as it was given; how long its waiter takes to wake up is no idling."""
        pool = stub_pool(1)
        pool._ledger.fresh_for = 0.1
        connection = pool.get_connection()
        looks: list[Any] = []
        monkeypatch.setattr(RedisPool, "_count_wait", lambda *_args: time.sleep(0.15))
        monkeypatch.setattr(RedisPool, "_is_alive", lambda _self, *args: looks.append(args))
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        pool.release(connection)

        assert waiter.result() is connection
        assert looks == []

    def test_waiters_are_served_in_order_of_arrival(self):
        """First come, first served; a newcomer never overtakes."""
        pool = stub_pool(1)
        kept = pool.get_connection()
        served: list[int] = []

        def borrow(number: int) -> None:
            connection = pool.get_connection()
            served.append(number)
            pool.release(connection)

        waiters = []
        for number in range(8):
            waiters.append(spawn(borrow, number))
            wait_until(lambda n=number: pool.stats().waiting == n + 1)
        pool.release(kept)
        for waiter in waiters:
            waiter.result()

        assert served == list(range(8))

    def test_newcomer_does_not_overtake_a_waiter(self):
        """The releasing thread itself queues behind those who waited."""
        pool = stub_pool(1, timeout=0.05)
        kept = pool.get_connection()
        waiter = spawn(RedisPool.get_connection, pool)
        wait_until(lambda: pool.stats().waiting == 1)
        pool.release(kept)

        with pytest.raises(ConnectionPoolTimeoutError):
            pool.get_connection()
        assert waiter.result() is kept

    def test_expired_waiter_gets_nothing_and_leaves_the_queue(self):
        """After its timeout a waiter is gone: the connection goes to the idle ones."""
        pool = stub_pool(1, timeout=0.02)
        kept = pool.get_connection()
        with pytest.raises(ConnectionPoolTimeoutError):
            pool.get_connection()
        pool.release(kept)
        stats = pool.stats()

        assert (stats.waiting, stats.idle, stats.timed_out) == (0, 1, 1)
        assert stats.wait_seconds > 0  # the wait of the one who failed counts

    def test_full_queue_refuses_at_once(self):
        """`max_waiting` callers wait; one more is refused without a wait."""
        pool = stub_pool(1, max_waiting=1)
        kept = pool.get_connection()
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)

        with pytest.raises(PoolQueueFullError, match="1 callers are queued already"):
            pool.get_connection()
        pool.release(kept)
        waiter.result()
        assert pool.stats().queue_full == 1

    def test_never_more_than_max_connections(self):
        """Many threads at once never hold or dial more than the bound."""
        pool = stub_pool(3)
        high = []

        def borrow() -> None:
            for _ in range(200):
                connection = pool.get_connection()
                stats = pool.stats()
                high.append(stats.in_use + stats.idle + stats.connecting)
                pool.release(connection)

        for thread in [spawn(borrow) for _ in range(12)]:
            thread.result()

        assert max(high) <= 3
        assert pool.stats().idle == pool.stats().created <= 3

    def test_max_connecting_bounds_concurrent_dials(self):
        """A dial storm is cut: the next dial starts when one has ended."""
        gate = threading.Event()
        script = [gate.wait] * 5
        pool = stub_pool(5, max_connecting=2, script=script)
        borrowers = [spawn(pool.get_connection) for _ in range(5)]
        wait_until(lambda: pool.stats().waiting == 3)

        assert pool.stats().connecting == 2
        gate.set()
        assert len({id(b.result()) for b in borrowers}) == 5


class TestSlots:
    """No slot is lost, whatever becomes of the connection."""

    def test_dropped_connection_frees_its_slot(self):
        """A borrower that forgets to release loses nothing for the pool."""
        pool = stub_pool(1)
        connection = pool.get_connection()
        del connection
        gc.collect()

        assert pool.stats().in_use == 0
        assert pool.stats().discarded == {"lost": 1}
        assert pool.get_connection()

    def test_connection_that_a_finalizer_brings_back_is_lost_and_closed(self):
        """Collected in a cycle with its holder, who releases it: no mistake of anybody's."""

        class Holder:
            def __init__(self) -> None:
                self.connection = pool.get_connection()
                self.itself = self

            def __del__(self) -> None:
                pool.release(self.connection)
                released.append(self.connection)

        pool = stub_pool(1)
        released: list[Any] = []
        Holder()
        gc.collect()

        assert not released[0].is_connected
        assert pool.stats().discarded == {"lost": 1}
        assert (pool.stats().double_releases, pool.stats().in_use) == (0, 0)

    def test_any_number_can_come_back_while_the_books_are_in_use(self):
        """A finalizer under the pool's lock leaves them; hundreds of them take no deep stack."""
        pool = stub_pool(500)
        for connection in [pool.get_connection() for _ in range(500)]:
            with pool._lock:
                pool.release(connection)

        assert pool.stats().idle == 500

    def test_dropped_connection_wakes_the_waiter(self):
        """The slot of a forgotten connection goes to the one who waits."""
        pool = stub_pool(1)
        kept = [pool.get_connection()]
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        kept.clear()

        assert waiter.result()

    def test_failed_dial_frees_its_slot(self):
        """A server that refuses costs an error, not a slot."""
        pool = stub_pool(1, script=[redis.ConnectionError("refused")])

        with pytest.raises(PoolUnavailableError) as caught:
            pool.get_connection()
        assert str(caught.value.__cause__) == "refused"
        assert pool.get_connection()
        assert pool.stats().create_failures == 1

    def test_failed_dial_passes_its_slot_to_the_waiter(self):
        """Whoever waits behind a dial that fails may dial in its place."""
        gate = threading.Event()

        def fail() -> None:
            gate.wait()
            raise redis.ConnectionError("refused")

        pool = stub_pool(1, script=[fail])
        first = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().connecting == 1)
        second = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        gate.set()

        with pytest.raises(PoolUnavailableError):
            first.result()
        assert second.result()

    def test_bad_connection_argument_frees_its_slot(self):
        """A typo in an argument stays a TypeError, each time, and costs no slot."""
        pool = stub_pool(1, bogus=1)
        for _ in range(3):
            with pytest.raises(TypeError, match="bogus"):
                pool.get_connection()

        assert pool.stats().in_use + pool.stats().connecting == 0

    @pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
    def test_base_exception_in_a_dial_frees_its_slot(self, error):
        """What is no Exception is cleaned up after as well, and passed on as it is."""
        pool = stub_pool(1, script=[error()])
        with pytest.raises(error):
            pool.get_connection()

        assert pool.get_connection()

    def test_wrong_password_is_not_an_outage(self):
        """A refused password is the configuration's fault: no 503, no open circuit."""
        errors = [redis.AuthenticationError("WRONGPASS") for _ in range(5)]
        pool = stub_pool(1, script=errors)
        for _ in range(5):
            with pytest.raises(redis.AuthenticationError):
                pool.get_connection()

        assert pool.stats().circuit == "closed"


class TestBalance:
    """Each request for a connection is counted once, by how it ended."""

    def test_every_end_is_counted_once(self):
        """Whatever happens to the requests, the totals add up to their number."""
        script = [
            lambda: None,
            redis.ConnectionError("refused"),
            redis.AuthenticationError("WRONGPASS"),
            KeyboardInterrupt(),
        ]
        pool = stub_pool(2, timeout=0.01, script=script, max_waiting=0)
        kept = pool.get_connection()
        for error in (PoolUnavailableError, redis.AuthenticationError, KeyboardInterrupt):
            with pytest.raises(error):
                pool.get_connection()
        other = pool.get_connection()
        with pytest.raises(PoolQueueFullError):
            pool.get_connection()
        pool.release(kept)
        pool.release(other)
        pool.close()
        with pytest.raises(PoolClosedError):
            pool.get_connection()
        stats = pool.stats()

        ends = (stats.acquired, stats.unavailable, stats.failed, stats.cancelled)
        assert ends == (2, 1, 1, 1)
        assert (stats.queue_full, stats.closed, stats.timed_out) == (1, 1, 0)
        assert stats.released == 2

    def test_dead_idle_connection_is_not_counted_as_a_request(self, url):
        """One caller that met a dead connection first is one request."""
        with RedisPool.from_url(url) as pool:
            connection = pool.get_connection()
            pool.release(connection)
            connection._sock.close()
            pool._ledger.doubt(time.monotonic())
            pool.release(pool.get_connection())
            stats = pool.stats()

        assert (stats.acquired, stats.released, stats.discarded["stale"]) == (2, 2, 1)


class TestCircuit:
    """Down is not exhausted."""

    def test_circuit_opens_after_three_failed_dials(self):
        """The fourth caller is told at once, with the last dial's error as the cause."""
        random.seed(1)  # a backoff that is not over before the fourth caller comes
        pool = stub_pool(
            1, script=[redis.ConnectionError("refused")] * 3, housekeeping_interval=None
        )
        for _ in range(3):
            with pytest.raises(PoolUnavailableError, match="the dial failed"):
                pool.get_connection()

        with pytest.raises(PoolUnavailableError, match="not dialled again yet") as caught:
            pool.get_connection()
        assert str(caught.value.__cause__) == "refused"
        assert pool.stats().create_failures == 3
        assert pool.stats().circuit == "open"

    def test_refused_password_closes_the_circuit(self):
        """A server that answers is there: callers are told what it says, not that it is gone."""
        errors = [redis.ConnectionError("refused")] * 3 + [redis.AuthenticationError("WRONGPASS")]
        pool = stub_pool(1, script=errors, housekeeping_interval=None)
        for _ in range(3):
            with pytest.raises(PoolUnavailableError):
                pool.get_connection()
        wait_until(lambda: pool._ledger.circuit.admits(time.monotonic()))
        with pytest.raises(redis.AuthenticationError):
            pool.get_connection()

        assert pool.stats().circuit == "closed"

    def test_open_circuit_sends_waiters_away(self):
        """Those who queue behind failing dials are not left to their timeout."""
        gate = threading.Event()

        def fail() -> None:
            gate.wait()
            raise redis.ConnectionError("refused")

        pool = stub_pool(1, script=[redis.ConnectionError("refused")] * 2 + [fail])
        for _ in range(2):
            with pytest.raises(PoolUnavailableError):
                pool.get_connection()
        callers = [spawn(pool.get_connection) for _ in range(4)]
        wait_until(lambda: pool.stats().waiting == 3)
        gate.set()

        for caller in callers:
            with pytest.raises(PoolUnavailableError):
                caller.result()
        assert pool.stats().waiting == 0

    def test_prober_closes_the_circuit(self):
        """After the backoff one caller dials; when that works everybody may."""
        pool = stub_pool(
            1, script=[redis.ConnectionError("refused")] * 3, housekeeping_interval=None
        )
        for _ in range(3):
            with pytest.raises(PoolUnavailableError):
                pool.get_connection()
        wait_until(lambda: _tries(pool))

        assert pool.stats().circuit == "closed"

    def test_idle_connections_are_served_while_the_circuit_is_open(self):
        """An open circuit stops dials, not connections that are there."""
        script: list[Any] = [lambda: None]
        pool = stub_pool(2, script=script)
        kept = pool.get_connection()
        script += [redis.ConnectionError("refused")] * 3
        for _ in range(3):
            with pytest.raises(PoolUnavailableError):
                pool.get_connection()
        pool.release(kept)

        assert pool.get_connection() is kept


class TestClosing:
    """close() and disconnect()."""

    def test_close_wakes_every_waiter(self):
        """Nobody waits for a pool that will give nothing any more."""
        pool = stub_pool(1, timeout=30)
        kept = pool.get_connection()
        waiters = [spawn(pool.get_connection) for _ in range(5)]
        wait_until(lambda: pool.stats().waiting == 5)
        pool.close()

        for waiter in waiters:
            with pytest.raises(PoolClosedError):
                waiter.result(timeout=5)
        assert kept.is_connected  # it is in use: closed when it comes back
        pool.release(kept)
        assert not kept.is_connected
        assert pool.stats().in_use == pool.stats().idle == 0

    def test_dial_that_ends_after_close_lends_nothing(self):
        """A pool that was closed meanwhile is closed."""
        gate = threading.Event()
        pool = stub_pool(1, script=[gate.wait])
        caller = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().connecting == 1)
        pool.close()
        gate.set()

        with pytest.raises(PoolClosedError):
            caller.result()
        assert (pool.stats().in_use, pool.stats().closed) == (0, 1)

    def test_closed_pool_refuses(self):
        """After close() every caller is told so."""
        pool = stub_pool()
        pool.close()
        pool.close()

        with pytest.raises(PoolClosedError, match="is closed"):
            pool.get_connection()
        assert pool.stats().closed == 1

    @pytest.mark.parametrize("argument", [True, False])
    def test_disconnect_spares_connections_in_use(self, argument):
        """Idle ones close now, those in use when they come back."""
        pool = stub_pool()
        used, idle = pool.get_connection(), pool.get_connection()
        pool.release(idle)
        pool.disconnect(inuse_connections=argument)

        assert not idle.is_connected
        assert used.is_connected
        pool.release(used)
        assert not used.is_connected
        assert pool.stats().discarded == {"drained": 2}

    def test_client_that_owns_the_pool_does_not_cut_others(self):
        """redis.Redis.from_pool() closes "its" pool; a connection in use stays open."""
        pool = stub_pool()
        used = pool.get_connection()
        redis.Redis.from_pool(pool).close()

        assert used.is_connected

    def test_pool_as_context_manager_closes_itself(self):
        """As redis-py's pools do."""
        with stub_pool() as pool:
            pool.release(pool.get_connection())

        assert pool.is_closed


class TestReaching:
    """What redis-py asks of a pool."""

    def test_set_retry_reaches_connections_in_use(self):
        """A new policy holds for all connections of the pool."""
        pool = stub_pool()
        used, idle = pool.get_connection(), pool.get_connection()
        pool.release(idle)
        policy = redis.retry.Retry(redis.backoff.NoBackoff(), 3)
        pool.set_retry(policy)

        assert used.retry is policy
        assert idle.retry is policy

    def test_new_credentials_begin_a_new_generation(self):
        """After a token change nothing that was authenticated before is reused."""
        pool = stub_pool()
        used = pool.get_connection()
        pool.re_auth_callback(object())
        pool.release(used)

        assert pool.get_connection() is not used

    def test_connection_count_is_by_state(self):
        """The shape that redis-py's telemetry reads."""
        pool = stub_pool(alias="reports")
        kept = pool.get_connection()
        counts = {a["db.client.connection.state"]: n for n, a in pool.get_connection_count()}

        assert counts == {"idle": 0, "used": 1}
        pool.release(kept)

    def test_exhaustion_is_not_a_dead_node(self):
        """The class that redis-py's cluster client knows as the client's own limit."""
        assert issubclass(PoolExhaustedError, redis.exceptions.MaxConnectionsError)


def _tries(pool: RedisPool) -> bool:
    try:
        pool.release(pool.get_connection())
    except PoolUnavailableError:
        return False
    return True
