"""Locks, scripts and the smaller parts of the client."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis
from redis.lock import Lock

from ..faults.parsers import PARSERS
from .pairs import CONFIGURATIONS, pair
from .recorder import Recorder, assert_same, exact


@pytest.fixture
def url(real_server) -> str:
    with real_server.admin() as admin:
        admin.flushall()
    return real_server.url


def compare(server, calls, **options: Any) -> None:
    with server.admin() as admin, pair(server.url, **options) as both:
        both.assert_same(calls, before=admin.flushall)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_locks_are_the_same(real_server, configuration):
    """Taken, prolonged, given back, lost, and found taken."""

    def calls(r):
        lock = r.on("lock", "name", timeout=10, blocking_timeout=0.01, sleep=0.001)
        other = r.on("lock", "name", timeout=10, blocking=False)
        lock.release()
        lock.acquire()
        lock.owned()
        lock.locked()
        lock.extend(5)
        lock.extend(5, replace_ttl=True)
        lock.reacquire()
        other.acquire()
        other.acquire(blocking=True, blocking_timeout=0.01)
        other.owned()
        other.extend(1)
        other.release()
        other.acquire(token="mine")
        lock.release()
        lock.locked()
        other.acquire(token="mine")
        r.get("name")
        r.delete("name")
        other.release()
        endless = r.on("lock", "endless")
        endless.acquire()
        endless.extend(1)
        endless.reacquire()
        r.shape.lock("shape")

    compare(real_server, calls, **CONFIGURATIONS[configuration])


def test_lock_of_another_class_is_made(url):
    """`lock_class` is redis-py's own argument."""

    class Mine(Lock):
        pass

    with pair(url) as both:
        for client in both:
            lock = client.lock("name", lock_class=Mine, timeout=5)
            assert isinstance(lock, Mine)
            with lock:
                assert lock.owned()


def test_blocking_commands_wait_as_long(url):
    """Their own timeout, also beyond socket_timeout: by design the lease's may be longer."""
    with pair(url, socket_timeout=5) as both:
        for client in both:
            start = time.monotonic()
            assert client.blpop("none", 0.1) is None
            assert time.monotonic() - start > 0.09


def test_client_id_stays_the_same(url):
    """One connection answers all: redis-py's, too, while nobody else uses its pool."""
    with pair(url) as both:
        for client in both:
            first = client.client_id()
            client.pipeline().get("k").execute()
            client.transaction(lambda p: p.get("k"), "k")
            assert client.client_id() == first
            assert client.client_info()["id"] == first


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_encoder_is_the_same(url, configuration):
    """It encodes and decodes alike."""
    with pair(url, **CONFIGURATIONS[configuration]) as (ours, theirs):
        for value in ("a", "naïve", b"\xc3", 1, 1.5, memoryview(b"a")):
            mine, other = (client.get_encoder().encode(value) for client in (ours, theirs))
            assert exact(mine) == exact(other)
        decoded = [c.get_encoder().decode(b"a", force=True) for c in (ours, theirs)]
        assert decoded[0] == decoded[1] == "a"


@pytest.mark.parametrize("parser", PARSERS)
def test_connection_arguments_are_the_same(url, parser):
    """Those that were given can be read where redis-py has them."""
    with pair(url, client_name="me", socket_timeout=3, **PARSERS[parser]) as (ours, theirs):
        mine, other = ours.connection_pool.connection_kwargs, theirs.get_connection_kwargs()
        names = {"host", "port", "db", "client_name", "socket_timeout", *PARSERS[parser]}
        assert {name: mine[name] for name in names} == {name: other[name] for name in names}
        assert ours.get_connection_kwargs() == mine


def test_external_module_is_loaded(url):
    """A function under a name, on this client alone."""
    with pair(url) as (ours, theirs):
        for client in (ours, theirs):
            client.load_external_module("twice", lambda client=client: client.echo("a") * 2)
            assert client.twice() == b"aa"
        assert not hasattr(ours.connection_pool.client(), "twice")


def test_parse_response_reads_a_reply(stub):
    """As redis-py's own method, for a program that sends by itself."""
    stub.reply = b"*2\r\n$1\r\na\r\n$1\r\n1\r\n"
    with pair(stub.url, protocol=2) as (ours, theirs):
        replies = []
        for client in (ours, theirs):
            connection = client.connection_pool.get_connection()
            connection.send_command("HGETALL", "h")
            replies.append(client.parse_response(connection, "HGETALL", keys=["h"]))
            connection.send_command("HGETALL", "h")
            replies.append(client.parse_response(connection, "OTHER", NEVER_DECODE=True))
            client.connection_pool.release(connection)
        assert replies[:2] == replies[2:] == [{b"a": b"1"}, [b"a", b"1"]]


def test_membership_and_items_are_the_same(real_server):
    """`in`, `[...]` and `del` on the client."""

    def calls(r):
        r.set("k", "v")
        r.__contains__("k")
        r.__contains__("none")
        r.__getitem__("k")
        r.__getitem__("none")
        r.__setitem__("k", 2)
        r.__delitem__("k")
        r.get("k")

    compare(real_server, calls)


@pytest.mark.parametrize("parser", PARSERS)
def test_each_lease_begins_the_same(real_server, parser):
    """What an earlier lease did leaves nothing that a later one's replies would show."""
    with real_server.admin() as admin, pair(real_server.url, **PARSERS[parser]) as both:
        pool = both.ours.connection_pool.pool

        def calls(r):
            r.client_getname()
            r.set("k", "v")
            r.hgetall("h")
            r.get("k")

        logs = []
        for _ in range(3):
            with pool.lease() as client:
                admin.flushall()
                recorder = Recorder(client)
                calls(recorder)
                client.set_response_callback("GET", lambda reply: "mine")
                client.json()
                client.client_setname("somebody")
                client.select(1)
                logs.append(recorder.log)
        admin.flushall()
        recorder = Recorder(both.theirs)
        calls(recorder)
        for log in logs:
            assert_same(log, recorder.log)


def test_server_that_is_down_is_our_own_error(stub):
    """By design: a PoolUnavailableError, which is a redis.ConnectionError as redis-py's is."""
    with pair(stub.url) as (ours, theirs):
        stub.__exit__()
        errors = []
        for client in (ours, theirs):
            with pytest.raises(redis.ConnectionError) as caught:
                client.ping()
            errors.append(caught.value)
        assert type(errors[0]).__name__ == "PoolUnavailableError"
        assert isinstance(errors[0].__cause__, type(errors[1]))
