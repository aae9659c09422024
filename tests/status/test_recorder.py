"""What a debug panel shows of a request: its commands, its connections, and never a value."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from contextvars import copy_context
from typing import Any

import pytest
import redis

from redis_pool_ext import (
    ConnectionPoolTimeoutError,
    RedisPool,
    close_async_pools,
    configure,
    get_async_pool,
    get_pool,
    get_redis,
    lease_scope,
    shared_redis,
)
from redis_pool_ext.client import LeasedRedis
from redis_pool_ext.status import recorder
from redis_pool_ext.status.panel import render, summary
from redis_pool_ext.status.recorder import recording
from redis_pool_ext.status.recording import MOST, Recording, shown, shown_pipeline

from ..support.threads import spawn


@pytest.fixture(autouse=True)
def _unwrapped() -> Iterator[None]:
    """Leave redis-py as it was."""
    yield
    recorder.unwrap()


@pytest.fixture
def pool(url: str) -> RedisPool:
    """The process's pool, of two connections."""
    configure({"default": {"URL": url, "MAX_CONNECTIONS": 2, "TIMEOUT": 20}})
    return get_pool()


def told(seen: Recording) -> list[tuple[str, str]]:
    return [(each.name, each.argument) for each in seen.commands]


# -- commands ------------------------------------------------------------------------------


def test_commands_are_told_by_name_and_key(pool):
    """In their order, each with the time that it took."""
    with recording() as seen, lease_scope():
        get_redis().set("greeting", "hello")
        get_redis().get("greeting")
    assert told(seen) == [("SET", "greeting"), ("GET", "greeting")]
    assert all(each.seconds > 0 for each in seen.commands)


def test_pipeline_is_one_entry_with_its_commands(pool):
    """Queued ones are sent together; what it does at once is told by itself."""
    with recording() as seen, lease_scope(), get_redis().pipeline() as pipe:
        pipe.watch("stock")
        pipe.multi()
        pipe.set("stock", 3).incr("sold")
        pipe.execute()
    assert told(seen) == [("WATCH", "stock"), ("PIPELINE of 2", "SET stock; INCRBY sold")]


def test_every_way_to_a_client_is_heard_once(pool):
    """On a lease, without one, by a client that is kept, by the pool's own."""
    with recording() as seen:
        get_redis().get("a")
        shared_redis().get("b")
        redis.Redis(connection_pool=pool).get("c")
        with lease_scope():
            shared_redis().get("d")
    assert [argument for _, argument in told(seen)] == ["a", "b", "c", "d"]


def test_command_that_fails_is_told_with_its_error(pool):
    """By the error's name: its text may quote a value."""
    with recording() as seen, lease_scope():
        get_redis().set("text", "s3cret")
        with pytest.raises(redis.ResponseError):
            get_redis().incr("text")
    assert [each.error for each in seen.commands] == [None, "ResponseError"]
    assert "s3cret" not in json.dumps(seen.as_dict())


def test_commands_of_tasks_are_heard_as_well(pool):
    """The short way and redis-py's, and a pipeline; of several tasks at the same time."""

    async def one(number: int) -> None:
        async with get_async_pool().lease() as client:
            await client.set(f"key {number}", "value")
            async with client.pipeline() as pipe:
                await pipe.incr(f"count {number}").execute()

    async def main() -> None:
        await asyncio.gather(one(1), one(2))
        await close_async_pools()

    with recording() as seen:
        asyncio.run(main())
    assert sorted(told(seen)) == [
        ("PIPELINE of 1", "INCRBY count 1"),
        ("PIPELINE of 1", "INCRBY count 2"),
        ("SET", "key 1"),
        ("SET", "key 2"),
    ]
    assert [taking.returned_at is not None for taking in seen.takings] == [True, True]


def test_requests_of_other_threads_are_not_heard(pool):
    """Each thread has its own recording, or none."""
    with recording() as seen:
        spawn(get_redis().get, "elsewhere").result()
    assert told(seen) == []


def test_nothing_is_heard_after_the_end(pool):
    """And a recording in a recording leaves the outer one as it was."""
    with recording() as outer:
        with recording() as inner:
            get_redis().get("inner")
        get_redis().get("outer")
    get_redis().get("after")
    assert (told(inner), told(outer)) == ([("GET", "inner")], [("GET", "outer")])


def test_recording_keeps_the_first_thousand(pool):
    """Of what is beyond there is the number."""
    with recording() as seen, lease_scope():
        for _ in range(MOST + 5):
            get_redis().exists("key")
    assert (len(seen.commands), seen.left_out) == (MOST, 5)


# -- connections ---------------------------------------------------------------------------


def test_connection_is_told_with_its_wait_and_its_hold(pool):
    """It is out until the lease ends."""
    with recording() as seen:
        with lease_scope():
            get_redis().ping()
            [connection] = seen.as_dict()["connections"]
            assert (connection["pool"], connection["is_back"]) == ("default", False)
            assert connection["waited"] > 0
            assert connection["held"] > 0
        [connection] = seen.as_dict()["connections"]
        assert connection["is_back"] is True
        assert connection == seen.as_dict()["connections"][0]  # it holds it no longer


def test_connection_that_comes_back_later_is_noted(pool):
    """A request's lease ends after the panel of that request was made."""
    with lease_scope():
        with recording() as seen:
            get_redis().ping()
        assert seen.takings[0].returned_at is None
    assert seen.takings[0].returned_at is not None


def test_next_holder_is_not_taken_for_the_first(pool):
    """The same connection, in a request that nobody records."""
    with recording() as seen:
        get_redis().ping()
    before = seen.takings[0].returned_at
    get_redis().ping()
    assert seen.takings[0].returned_at == before


def test_wait_in_vain_is_told(pool):
    """With the error, and without a hold."""
    pool.timeout = 0
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(pool.lease()).ping()
        with recording() as seen, pytest.raises(ConnectionPoolTimeoutError):
            get_redis().ping()
    [connection] = seen.as_dict()["connections"]
    assert (connection["error"], connection["held"]) == ("ConnectionPoolTimeoutError", 0.0)


# -- what may be shown ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("GET", b"key"), ("GET", "key")),
        (("SET", "key", "s3cret"), ("SET", "key")),
        (("AUTH", "user", "s3cret"), ("AUTH", "")),
        (("AUTH s3cret",), ("AUTH", "")),
        (("auth", "s3cret"), ("AUTH", "")),
        (("SET key s3cret",), ("SET", "key")),
        (("HELLO", 3, "AUTH", "u", "s3cret"), ("HELLO", "")),
        (("CONFIG SET", "requirepass", "s3cret"), ("CONFIG SET", "")),
        (("CONFIG", "SET", "requirepass", "s3cret"), ("CONFIG SET", "")),
        (("ACL SETUSER", "me", ">s3cret"), ("ACL SETUSER", "")),
        (("EVAL", "return 's3cret'", 0), ("EVAL", "")),
        (("ECHO", "s3cret"), ("ECHO", "")),
        (("OBJECT ENCODING", "key"), ("OBJECT ENCODING", "key")),
        (("SELECT", 1), ("SELECT", "1")),
        (("GET", "k" * 100), ("GET", "k" * 60 + "...")),
        (("GET", "a\nb\x00"), ("GET", "a\\nb\\x00")),
        (("GET", b"\xff"), ("GET", "\\xff")),
        (("GET", memoryview(b"s3cret")), ("GET", "memoryview")),
        (("PING",), ("PING", "")),
        ((), ("?", "")),
    ],
)
def test_command_is_shown_without_what_could_be_a_value(args: tuple[Any, ...], said):
    """Short, on one line, whatever it is made of."""
    assert shown(args) == said


def test_long_pipeline_is_shown_by_its_beginning():
    """And by how many there are."""
    text = shown_pipeline([("SET", f"k{number}", "s3cret") for number in range(20)])
    assert text.startswith("SET k0; SET k1; ")
    assert text.endswith("; 12 more")
    assert "s3cret" not in text


def test_page_escapes_what_is_not_ours(pool):
    """A key may be made by a visitor."""
    with recording() as seen, lease_scope():
        get_redis().get("<script>alert(1)</script>")
    page = render(seen.as_dict())
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "style" not in page


def test_page_says_what_is_left_out_and_what_failed(pool):
    """Nothing is dropped in silence."""
    with recording() as seen, lease_scope():
        get_redis().set("text", "x")
        with pytest.raises(redis.ResponseError):
            get_redis().incr("text")
        seen.left_out = 3
        page = render(seen.as_dict())
    assert "<p>3 more are not shown.</p>" in page
    assert "<td>ResponseError</td>" in page
    assert "<td>still out</td>" in page


def test_line_beside_the_page_says_count_and_times(pool):
    """What one looks at first."""
    with recording() as seen:
        get_redis().get("key")
    assert summary(seen.as_dict()).startswith("1 command in ")
    assert summary({}) == ""
    assert render({}) == "<p>Nothing was recorded.</p>"


# -- what it costs -------------------------------------------------------------------------

METHODS = [(owner, name) for owner, name, _ in recorder._PLACES]


def test_nothing_is_wrapped_until_something_is_recorded(pool):
    """Importing the panel costs nothing; `unwrap()` leaves all as it was."""
    before = [vars(owner).get(name) for owner, name in METHODS]
    assert not any(hasattr(method, "__wrapped__") for method in before)
    with recording():
        assert all(hasattr(vars(owner)[name], "__wrapped__") for owner, name in METHODS)
    recorder.unwrap()
    assert [vars(owner).get(name) for owner, name in METHODS] == before


def test_wrapping_twice_is_wrapping_once(pool):
    """Requests begin at the same time, and again and again."""
    barrier = threading.Barrier(8)

    def begin() -> None:
        barrier.wait(20)
        recorder.start()

    for thread in [spawn(begin) for _ in range(8)]:
        thread.result()
    assert not hasattr(vars(redis.Redis)["execute_command"].__wrapped__, "__wrapped__")


def test_wrapper_of_somebody_else_is_left_alone(pool, monkeypatch):
    """A tracing tool that came later keeps what it has wrapped."""
    with recording():
        theirs = lambda *args, **options: None  # noqa: E731
        monkeypatch.setattr(redis.Redis, "execute_command", theirs)
    recorder.unwrap()
    assert vars(redis.Redis)["execute_command"] is theirs


def test_wrapped_methods_look_as_before(pool):
    """Same signatures, and coroutines where they were."""
    before = [inspect.iscoroutinefunction(getattr(owner, name)) for owner, name in METHODS]
    signatures = [inspect.signature(getattr(owner, name)) for owner, name in METHODS]
    with recording():
        after = [inspect.iscoroutinefunction(getattr(owner, name)) for owner, name in METHODS]
        assert [inspect.signature(getattr(owner, name)) for owner, name in METHODS] == signatures
    assert after == before


def test_recorded_command_still_takes_the_short_way(pool, monkeypatch):
    """What is watched is not what is measured, otherwise."""

    def long_way(*_args: Any) -> None:
        raise AssertionError("the long way")

    with recording() as seen, lease_scope():
        client = get_redis()
        client.ping()
        monkeypatch.setattr(LeasedRedis, "_go_the_long_way", long_way)
        pool_of_one: Any = client.connection_pool
        pool_of_one._used_at = float("inf")  # just now
        client.get("key")
    assert told(seen) == [("PING", ""), ("GET", "key")]


def test_command_that_ends_in_another_context_is_recorded_all_the_same():
    """A task that is dropped in the middle of it is finished by whoever collects it."""
    seen = Recording()
    command = recorder._timed(seen, "BLPOP", "jobs")
    copy_context().run(command.__enter__)
    command.__exit__(None, None, None)

    assert [each.name for each in seen.commands] == ["BLPOP"]
