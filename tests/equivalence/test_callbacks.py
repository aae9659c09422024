"""Response callbacks: redis-py's own, and those that a program sets."""

from __future__ import annotations

import pytest
import redis

from redis_pool_ext import RedisPool

from ..faults.parsers import PARSERS
from .pairs import pair, plain
from .recorder import Recorder, assert_same


@pytest.fixture
def admin(real_server):
    with real_server.admin() as admin:
        admin.flushall()
        admin.set("k", "v")
        admin.hset("h", "f", "v")
        yield admin


def test_the_same_commands_have_callbacks(real_server):
    """With the same functions, in every protocol."""
    for options in ({}, *PARSERS.values()):
        with pair(real_server.url, **options) as (ours, theirs):
            mine, other = ours.response_callbacks, theirs.response_callbacks
            assert mine.keys() == other.keys()
            named = [[getattr(f, "__qualname__", "") for f in x.values()] for x in (mine, other)]
            assert named[0] == named[1]


@pytest.mark.parametrize("parser", PARSERS)
def test_own_callback_is_called_the_same(real_server, admin, parser):
    """For the command in any case of letters, with the reply and the command's options."""

    def calls(r):
        r.set_response_callback("GET", lambda reply, **options: ["mine", reply, options])
        r.get("k")
        r.execute_command("get", "k")
        r.execute_command("GET", "k", keys=["k"])
        r.execute_command("GET", "k", option=1)
        r.execute_command("GET", "k", NEVER_DECODE=True, EMPTY_RESPONSE=None)
        r.execute_command("INCR", "k", EMPTY_RESPONSE=None)
        r.execute_command(b"GET", "k")
        r.hget("h", "f")
        r.set_response_callback("two words", lambda reply: ["mine", reply])
        r.execute_command("TWO WORDS", "k")
        r.set_response_callback("HGETALL", lambda reply: 1 / 0)
        r.hgetall("h")
        r.get("k")

    with pair(real_server.url, **PARSERS[parser]) as both:
        both.assert_same(calls, before=lambda: None)


def test_own_callback_is_called_in_pipelines(real_server, admin):
    """Those of the client that made the pipeline, and one of its own."""

    def calls(r):
        r.set_response_callback("GET", lambda reply: ["mine", reply])
        for transaction in (True, False):
            p = Recorder(r._client.pipeline(transaction), r.log, prefix="pipeline().")
            p.get("k")
            p.execute()
            p.set_response_callback("HGET", lambda reply: ["its own", reply])
            p.get("k").hget("h", "f")
            p.execute()

    with pair(real_server.url) as both:
        both.assert_same(calls, before=lambda: None)


def test_own_callback_is_the_clients_alone(real_server, admin):
    """Neither another client of the lease, nor another lease, nor the pool's client has it."""
    with RedisPool.from_url(real_server.url) as pool, pool.lease() as client:
        before = dict(client.response_callbacks)
        with pool.lease() as earlier:
            client.set_response_callback("GET", lambda reply: "mine")
            sibling = client.connection_pool.client()

            assert client.get("k") == "mine"
            assert earlier.get("k") == sibling.get("k") == pool.client.get("k") == b"v"
        with pool.lease() as later:
            assert later.get("k") == b"v"
            assert dict(later.response_callbacks) == before


def test_own_callback_of_a_pipeline_stays_in_it_or_goes_as_in_redis_py(real_server, admin):
    """In redis-py it is set on the client, too; on a lease that is the pipeline's alone."""
    with pair(real_server.url) as (ours, theirs):
        for client in (ours, theirs):
            client.pipeline().set_response_callback("GET", lambda reply: "the pipeline's")
        assert (ours.get("k"), theirs.get("k")) == (b"v", "the pipeline's")


def test_callback_sees_what_redis_py_lets_it_see(real_server, admin):
    """The options of the command, without those that are for the client itself."""
    seen = []
    with pair(real_server.url) as both:
        for client in both:
            client.set_response_callback("GET", lambda reply, **kw: seen.append((reply, kw)))
            client.execute_command("GET", "k", keys=["k"], NEVER_DECODE=1, EMPTY_RESPONSE=2, a=3)
    assert seen == [(b"v", {"a": 3})] * 2


def test_raising_callback_keeps_the_connection(real_server, admin):
    """The reply was read: nothing is wrong with the connection."""
    with pair(real_server.url) as (ours, theirs):
        for client in (ours, theirs):
            first = client.client_id()
            client.set_response_callback("GET", lambda reply: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                client.get("k")
            assert client.client_id() == first
        ours.release()
        assert ours.connection_pool.pool.stats().idle == 1


def test_modules_callbacks_are_the_clients_alone(real_server, admin):
    """`json()` sets some on the client that it was called on."""
    with pair(real_server.url) as (ours, theirs):
        before = set(ours.response_callbacks)
        assert before == set(theirs.response_callbacks)
        ours.json(), theirs.json()
        assert set(ours.response_callbacks) == set(theirs.response_callbacks) > before
        assert set(ours.connection_pool.client().response_callbacks) == before


def test_changed_dictionary_of_callbacks_is_used(real_server, admin):
    """A program may put its own dictionary in place of the client's."""

    def calls(r):
        r._client.response_callbacks = {"GET": lambda reply: "from another dictionary"}
        r.get("k")
        r.hgetall("h")

    with pair(real_server.url, protocol=2) as both:
        both.assert_same(calls, before=lambda: None)


def test_clients_of_redis_py_are_not_affected(real_server, admin):
    """Nor is the class: a callback on a lease is on no other client."""
    with pair(real_server.url) as (ours, theirs):
        ours.set_response_callback("GET", lambda reply: "mine")
        assert theirs.get("k") == b"v"
        assert plain(real_server.url).get("k") == b"v"
        assert isinstance(ours, redis.Redis)


def test_logs_can_be_told_apart(real_server, admin):
    """One callback more makes a difference that the comparison finds."""
    with pair(real_server.url) as both:
        both.ours.set_response_callback("GET", lambda reply: "mine")
        logs = []
        for client in both:
            recorder = Recorder(client)
            recorder.get("k")
            logs.append(recorder.log)
        with pytest.raises(AssertionError, match="1 of 1 calls differ"):
            assert_same(*logs)
