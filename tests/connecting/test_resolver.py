"""Names: resolved within the deadline, each address with its share of the time."""

from __future__ import annotations

import socket
import threading

import pytest
import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.connecting import resolver
from redis_pool_ext.connecting.resolver import resolve
from redis_pool_ext.deadline import Deadline

from ..support.threads import spawn, wait_until

NAME = "redis.example"


def answer(*addresses: str):
    """Stand in for the system's resolver: it knows one name; numbers it reads itself."""
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *args):
        if host != NAME or socket.AI_NUMERICHOST in args:
            return real(host, port, *args)
        return [entry for address in addresses for entry in real(address, port, *args)]

    return getaddrinfo


@pytest.fixture
def deaf(monkeypatch):
    """A resolver that says nothing until it is told to."""
    speak, asked, real = threading.Event(), [], socket.getaddrinfo

    def getaddrinfo(host, port, *args):
        if host != NAME or socket.AI_NUMERICHOST in args:
            return real(host, port, *args)
        asked.append(host)
        speak.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    speak.asked = asked
    yield speak
    speak.set()
    wait_until(lambda: not resolver._in_flight)


def test_resolver_that_hangs_does_not_hold_the_caller(deaf):
    """Whoever asks for a connection is told within the pool's timeout, and why."""
    with (
        RedisPool(host=NAME, timeout=0.2) as pool,
        pytest.raises(redis.ConnectionError, match=r"'redis\.example' was not resolved in time"),
    ):
        pool.get_connection()

    assert pool.stats().connecting == 0


def test_all_who_ask_for_a_name_wait_for_one_thread(deaf):
    """A resolver that hangs for half a minute does not collect threads."""
    askers = [spawn(resolve, NAME, 6379, 0, Deadline(0.2)) for _ in range(5)]
    for asker in askers:
        with pytest.raises(TimeoutError, match=NAME):
            asker.result()

    assert len(deaf.asked) == 1


def test_lookup_that_a_fork_has_left_behind_is_not_waited_for(deaf, monkeypatch):
    """The thread that asks is the parent's: the child asks for itself."""
    with pytest.raises(TimeoutError):
        resolve(NAME, 6379, 0, Deadline(0.01))
    monkeypatch.setattr(resolver.os, "getpid", lambda: -1)
    with pytest.raises(TimeoutError):
        resolve(NAME, 6379, 0, Deadline(0.01))

    wait_until(lambda: len(deaf.asked) == 2)


def test_unknown_name_is_the_systems_own_error():
    """Raised anew for each who asked, with a traceback of its own."""
    with pytest.raises(socket.gaierror):
        resolve("does-not-exist.invalid", 6379, 0, Deadline(10))


def test_number_is_not_looked_up(deaf):
    """No thread for what is an address already."""
    assert resolve("127.0.0.1", 6379, 0, Deadline(0)) == ["127.0.0.1"]
    assert resolve("::1", 6379, 0, Deadline(0)) == ["::1"]
    assert deaf.asked == []


def test_next_address_is_tried_where_the_first_does_not_answer(redis_server, monkeypatch):
    """A listener with a full backlog is deaf; the name's second address is the server."""
    with socket.socket() as full, socket.socket() as filler:
        full.bind(("127.0.0.2", redis_server.port))
        full.listen(0)
        filler.connect(full.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", answer("127.0.0.2", "127.0.0.1"))
        with RedisPool(host=NAME, port=redis_server.port, timeout=2.0) as pool:
            assert pool.client.ping()

        assert pool.stats().created == 1


def test_address_that_refuses_costs_nothing(redis_server, monkeypatch):
    """The next one is tried at once."""
    monkeypatch.setattr(socket, "getaddrinfo", answer("127.0.0.3", "127.0.0.1"))
    with RedisPool(host=NAME, port=redis_server.port, timeout=2.0) as pool:
        assert pool.client.ping()


def test_error_names_the_name(monkeypatch):
    """Not one of its addresses: the name is what stands in the settings."""
    monkeypatch.setattr(socket, "getaddrinfo", answer("127.0.0.3", "127.0.0.1"))
    with socket.socket() as bound:  # and not listening
        bound.bind(("", 0))
        pool = RedisPool(host=NAME, port=bound.getsockname()[1], timeout=2.0)
        with pytest.raises(redis.ConnectionError, match=NAME):
            pool.client.ping()


def test_keepalive_is_on_unless_it_is_set_otherwise(redis_server):
    """A peer that is gone without a word is noticed, also while nobody asks."""
    for settings, expected in (({}, 1), ({"socket_keepalive": False}, 0)):
        with RedisPool(port=redis_server.port, **settings) as pool:
            connection = pool.get_connection()
            kept = connection._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            pool.release(connection)

            assert bool(kept) == bool(expected)
