"""Nobody else's reply, nobody else's state: the cases that slip through simpler accounting."""

from __future__ import annotations

import gc
import os
import signal
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_pool_ext import ConnectionPoolTimeoutError, LeaseError, RedisPool
from redis_pool_ext.embedded import EmbeddedRedis

from ..support.proxy import FaultyProxy
from ..support.threads import spawn, wait_until


@pytest.fixture
def pool(url):
    """A pool of two on the shared server."""
    with RedisPool.from_url(url, max_connections=2, timeout=2) as pool:
        yield pool


class TestMarks:
    """What a command leaves behind is noted as it is sent, not before and not after."""

    @pytest.mark.parametrize("command", [("SELECT", 3), ("MULTI",), ("WATCH", "k")])
    def test_command_that_reconnects_is_noted(self, pool, command):
        """The reconnect inside the send does not wipe the mark of what is sent."""
        with pool.lease() as client:
            client.ping()
            client.connection_pool.held[0].disconnect()  # as after a failed command
            client.execute_command(*command)
        with pool.lease() as other:
            assert other.client_info()["db"] == 0
            assert other.set("k", 1) is True

    def test_exec_is_not_sent_without_its_watch(self, url, admin):
        """A health check that finds the socket dead between WATCH and EXEC voids both."""
        policy = Retry(NoBackoff(), 2)
        with (
            RedisPool.from_url(url, retry=policy, health_check_interval=60) as pool,
            pool.lease() as client,
        ):
            number = client.client_id()
            pipe = client.pipeline()
            pipe.watch("n")
            admin.set("n", 100)
            admin.execute_command("CLIENT", "KILL", "ID", number)
            pipe.connection.next_health_check = 0  # due: the PING will meet the dead socket
            pipe.multi()
            pipe.set("n", 2)
            with pytest.raises(redis.WatchError):
                pipe.execute()
        assert admin.get("n") == b"100"

    def test_hand_packed_command_is_noted(self, pool):
        """Bytes packed with pack_command() count as the command that they are."""
        connection = pool.get_connection()
        connection.send_packed_command(connection.pack_command("SELECT", 5))
        connection.read_response()
        assert connection.marks == {"SELECT"}
        pool.release(connection)
        assert pool.stats().discarded == {"dirty": 1}

    def test_bytes_packed_elsewhere_are_taken_for_anything(self, pool):
        """What nobody can read the meaning of is not handed on."""
        connection = pool.get_connection()
        connection.send_packed_command([b"*2\r\n$6\r\nSELECT\r\n$1\r\n5\r\n"])
        connection.read_response()
        pool.release(connection)

        assert pool.stats().discarded == {"dirty": 1}


class TestTransactions:
    """A lease has one connection, so one transaction at a time."""

    def test_nested_transaction_is_refused_before_it_ends_the_outer_watch(self, pool, admin):
        """A helper's EXEC would drop the outer WATCH, and a lost update would go unseen."""
        with pool.lease() as client, client.pipeline() as pipe:
            pipe.watch("n")
            admin.set("n", 100)
            with pytest.raises(LeaseError, match="keys are being watched"):
                client.pipeline().set("other", 1).execute()
            pipe.multi()
            pipe.set("n", 2)
            with pytest.raises(redis.WatchError):
                pipe.execute()

        assert admin.get("n") == b"100"

    def test_nested_watch_is_refused(self, pool):
        """Its UNWATCH would end the outer one's, too."""
        with pool.lease() as client, client.pipeline() as pipe, client.pipeline() as inner:
            pipe.watch("n")
            with pytest.raises(LeaseError):
                inner.watch("m")

    def test_nested_pipeline_without_transaction_works(self, pool):
        """It sends no EXEC."""
        with pool.lease() as client, client.pipeline() as pipe:
            pipe.watch("n")
            assert client.pipeline(transaction=False).get("n").execute() == [None]
            pipe.multi()
            pipe.set("n", 1)
            assert pipe.execute() == [True]

    def test_abandoned_transaction_talks_to_nobody(self, pool):
        """A pipeline that is collected as garbage lets go, and its WATCH ends with the lease."""
        with pool.lease() as client:
            pipe = client.pipeline()
            pipe.watch("k")
            pipe.me = pipe  # a cycle, as a kept traceback makes one
            del pipe
            gc.collect()
            assert client.echo("mine") == b"mine"

        assert pool.stats().discarded == {"dirty": 1}

    def test_lost_watch_is_not_forgiven_by_another_pipeline(self, pool, admin):
        """A soft failure of another pipeline on the lease does not hide that the WATCH is gone."""
        with pool.lease() as client:
            number = client.client_id()
            pipe = client.pipeline()
            pipe.watch("n")
            admin.execute_command("CLIENT", "KILL", "ID", number)
            with pytest.raises(redis.ConnectionError):
                client.pipeline(transaction=False).get("soft").execute()
            admin.set("n", 100)
            pipe.multi()
            pipe.set("n", 2)
            with pytest.raises(redis.WatchError):
                pipe.execute()

        assert admin.get("n") == b"100"

    def test_first_watch_on_a_dead_connection_is_retried(self, url, admin):
        """State that was never confirmed was never relied on."""
        with RedisPool.from_url(url, retry=Retry(NoBackoff(), 2)) as pool, pool.lease() as client:
            admin.execute_command("CLIENT", "KILL", "ID", client.client_id())
            with client.pipeline() as pipe:
                assert pipe.watch("n") is True

    def test_refused_watch_watches_nothing(self, pool):
        """A WATCH without keys is an error, and no transaction under way."""
        with pool.lease() as client:
            with client.pipeline() as pipe, pytest.raises(redis.ResponseError):
                pipe.watch()
            assert client.pipeline().set("k", 1).execute() == [True]

        assert pool.stats().idle == 1

    def test_watching_pipeline_may_execute_nothing(self, pool):
        """An empty execute() sends nothing and owes nothing."""
        with pool.lease() as client:
            pipe = client.pipeline(transaction=False)
            pipe.watch("k")
            assert pipe.execute() == []
            assert client.get("k") is None

        assert pool.stats().idle == 1

    def test_script_in_a_pipeline_without_transaction_works_beside_a_watch(self, pool):
        """It asks for its scripts first, which ends no WATCH."""
        with pool.lease() as client, client.pipeline() as pipe:
            script = client.register_script("return 7")
            pipe.watch("n")
            inner = client.pipeline(transaction=False)
            script(client=inner)
            assert inner.execute() == [7]

    def test_other_thread_waits_for_its_turn_beside_a_watch(self, url):
        """A transaction in one thread makes another one wait, not fail."""
        with RedisPool.from_url(url, timeout=5) as pool, pool.lease() as client:
            pipe = client.pipeline()
            pipe.watch("n")
            other = spawn(client.pipeline().set("m", 1).execute)
            pipe.multi()
            pipe.set("n", 1)
            assert pipe.execute() == [True]
            assert other.result() == [True]


class TestSubscriptions:
    """PubSub of a plain client on the pool behaves as redis-py's."""

    def test_subscription_comes_back_after_a_reconnect(self, pool, admin):
        """PubSub sets its channels up again itself, so nothing is lost."""
        pubsub = redis.Redis(connection_pool=pool).pubsub()
        pubsub.subscribe("news")
        assert pubsub.get_message(timeout=2)["type"] == "subscribe"
        (number,) = [c["id"] for c in admin.client_list() if c["sub"] == "1"]
        admin.execute_command("CLIENT", "KILL", "ID", number)
        with pytest.raises(redis.ConnectionError):
            pubsub.get_message(timeout=2)
        assert pubsub.get_message(timeout=2)["type"] == "subscribe"
        admin.publish("news", "hello")
        assert pubsub.get_message(timeout=2)["data"] == b"hello"
        pubsub.close()

    def test_subscriber_may_send_before_it_reads(self, pool):
        """Replies to a subscriber's commands come when they come."""
        pubsub = redis.Redis(connection_pool=pool).pubsub()
        pubsub.unsubscribe("a")
        pubsub.ping()
        pubsub.subscribe("b")
        assert pubsub.get_message(timeout=2)["type"] == "unsubscribe"
        pubsub.close()

        assert pool.stats().in_use == 0


class TestCallbacks:
    """Response callbacks are shared, and copied by whoever changes them."""

    def test_callback_of_a_pipeline_is_its_own(self, pool):
        """One pipeline's callback is not every lease's."""
        with pool.lease() as client:
            client.pipeline().set_response_callback("GET", lambda _reply: "poison")
        with pool.lease() as other:
            assert other.get("k") is None


class TestFinalizers:
    """Garbage collection and signal handlers enter the pool wherever they like."""

    def test_release_under_the_lock_is_put_off(self, pool):
        """A finalizer that releases while its thread has the lock neither hangs nor harms."""
        connection = pool.get_connection()
        with pool._lock:
            pool.release(connection)
            assert pool._ledger.stats().in_use == 1

        stats = pool.stats()
        assert (stats.in_use, stats.idle) == (0, 1)

    def test_signal_handler_that_takes_the_last_idle_connection_harms_nobody(self, pool):
        """Between the look and the take a handler of the same thread may have been there."""
        pool.release(pool.get_connection())

        class Struck(list):
            """Non-empty to look at, empty to take from, as after such a handler."""

            def __bool__(self) -> bool:
                return True

        taken, pool._ledger.idle = pool._ledger.idle.pop(), Struck()
        other = pool.get_connection()
        assert other is not taken
        pool._ledger.idle = [taken]
        pool.release(other)

    def test_signal_handler_inside_the_pool_is_told_instead_of_hanging(self, url):
        """It cannot wait for what its own thread holds."""
        with RedisPool.from_url(url, max_connections=1, timeout=5) as pool:
            kept = pool.get_connection()
            seen = []

            def handler(_signal, _frame):
                with pytest.raises(LeaseError, match="signal handler"):
                    pool.get_connection()
                seen.append(True)

            before = signal.signal(signal.SIGUSR1, handler)
            try:
                with pool._lock:
                    signal.raise_signal(signal.SIGUSR1)
            finally:
                signal.signal(signal.SIGUSR1, before)
            pool.release(kept)
        assert seen == [True]

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_connection_brought_back_by_a_finalizer_does_not_double_its_slot(self, pool):
        """CPython frees the slot first, then runs __del__, which may release."""

        class Keeper:
            def __del__(self) -> None:
                pool.release(self.connection)

        keeper = Keeper()  # before its connection, so it is finalized before
        keeper.connection, keeper.me = pool.get_connection(), keeper
        del keeper
        gc.collect()
        stats = pool.stats()

        assert (stats.in_use, stats.idle) == (0, 0)
        assert stats.discarded["lost"] >= 1

    def test_waiter_sees_the_slot_of_a_dropped_connection(self, url):
        """Finalizers wake nobody: who waits looks now and then."""
        with RedisPool.from_url(url, max_connections=1, timeout=30) as pool:
            kept = [pool.get_connection()]
            waiter = spawn(pool.get_connection)
            wait_until(lambda: pool._ledger.queue)
            kept.clear()
            assert waiter.result(timeout=5)


class TestOtherEnds:
    """Forks, secrets, and leases that end while they begin."""

    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
    @pytest.mark.parametrize("leased", [True, False], ids=["lease", "plain"])
    def test_child_that_unwinds_does_not_unwatch_for_its_parent(self, pool, admin, leased):
        """A `with` block that ends in the child says nothing on the parent's socket."""
        lease = pool.lease()
        client = lease.client() if leased else redis.Redis(connection_pool=pool)
        pipe = client.pipeline()
        pipe.watch("n")
        pid = os.fork()
        if pid == 0:
            try:
                pipe.reset()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        admin.set("n", 100)
        pipe.multi()
        pipe.set("n", 2)
        with pytest.raises(redis.WatchError):
            pipe.execute()
        lease.end()

        assert admin.get("n") == b"100"

    @pytest.mark.parametrize("protocol", [2, 3])
    def test_password_that_the_server_quotes_is_hidden(self, protocol):
        """A server that does not know AUTH or HELLO repeats its arguments."""
        rename = ("--rename-command", "HELLO", "", "--rename-command", "AUTH", "")
        with (
            EmbeddedRedis(*rename) as server,
            RedisPool.from_url(f"redis://:s3cret@127.0.0.1:{server.port}", protocol=protocol) as p,
            pytest.raises(redis.RedisError, match="unknown command") as caught,
        ):
            p.get_connection()
        shown = f"{caught.value!r} {caught.value} {caught.value.__cause__}"
        assert "s3cret" not in shown

    def test_lease_that_ends_while_it_queues_holds_nothing(self, url):
        """Its thread is told, and what it was given at last goes back."""
        with RedisPool.from_url(url, max_connections=1, timeout=10) as pool:
            kept = pool.get_connection()
            lease = pool.lease()
            waiting = spawn(lease.client().ping)
            wait_until(lambda: pool.stats().waiting == 1)
            lease.end()
            pool.release(kept)
            with pytest.raises(LeaseError, match="has ended"):
                waiting.result()
            stats = pool.stats()

        assert (stats.in_use, stats.idle) == (0, 1)

    def test_lease_of_a_thread_that_died_in_a_transaction_is_forfeited(self, pool):
        """Its turn is nobody's any more, but its slot comes back at the end."""
        lease = pool.lease()
        pipes = []

        def die() -> None:
            pipe = lease.client().pipeline()
            pipe.watch("k")
            pipes.append(pipe)

        spawn(die).result()
        lease.end()

        assert pool.stats().in_use == 0
        with pytest.raises(redis.RedisError):
            pipes[0].get("k")

    def test_short_deadline_does_not_count_against_the_server(self, redis_server, admin):
        """Waiters who get a slot too late to dial in are exhausted, not proof of an outage."""
        with (
            FaultyProxy(redis_server.port) as proxy,
            RedisPool.from_url(proxy.url, max_connections=1, timeout=1.0) as pool,
        ):
            kept = pool.get_connection()
            proxy.delay = 0.3
            waiter = spawn(pool.get_connection)
            wait_until(lambda: pool.stats().waiting == 1)
            patience = next(iter(pool._ledger.queue)).at
            wait_until(lambda: time.monotonic() > patience - 0.15)
            kept.disconnect()
            pool.release(kept)
            with pytest.raises(ConnectionPoolTimeoutError):
                waiter.result()
            assert pool.stats().create_failures == 1
            assert pool._ledger.circuit.last_error is None
