"""A reply on the short way has `socket_timeout`."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio

from redis_pool_ext.aio import express
from redis_pool_ext.aio.connection import GuardedAsyncConnection

from ..scene import Scene, ask, open_to
from ..tasks import start, wait_until
from .short import GET, PUSH, short


class TestTime:
    """A reply has `socket_timeout`, and one timer looks after many of them."""

    @pytest.fixture
    def timers(self, monkeypatch) -> list[float]:
        """How long each timer was to run, of those that were set on the short way."""
        seconds: list[float] = []
        set_alarm: Callable[..., None] = express._set_alarm

        def counting(connection: GuardedAsyncConnection, limit: float) -> None:
            seconds.append(limit)
            set_alarm(connection, limit)

        monkeypatch.setattr(express, "_set_alarm", counting)
        return seconds

    @pytest.mark.parametrize("said", [b"", b"$5\r\nva", PUSH])
    async def test_late_reply(self, said):
        """In redis-py's words; it must not meet the next command."""
        async with Scene(socket_timeout=0.05, protocol=3) as scene:
            scene.peer.say(said)
            began = time.monotonic()
            with pytest.raises(redis.TimeoutError, match="Timeout reading from 127"):
                await short(scene.connection, "GET", "k")

            assert time.monotonic() - began >= 0.05
            assert (scene.connection.dirt(), scene.connection.pending) == ("error", 0)
            assert scene.connection.reply_lost

    async def test_many_replies_have_one_timer(self, timers):
        """To set one for each would take as long as all the rest."""
        async with Scene(socket_timeout=30) as scene:
            for _ in range(20):
                scene.peer.say(b"+OK\r\n")
                await short(scene.connection, "PING")

            assert timers == [30]

    async def test_timer_is_for_the_reply_that_is_waited_for_by_then(self, timers):
        """Not for the one that it was set for, and which came in time."""
        async with Scene(socket_timeout=0.1) as scene:
            scene.peer.say(b"+OK\r\n")
            await short(scene.connection, "PING")
            await asyncio.sleep(0.05)
            began = time.monotonic()
            with pytest.raises(redis.TimeoutError):
                await short(scene.connection, "GET", "k")

            assert time.monotonic() - began >= 0.1
            assert len(timers) == 2
            assert timers[1] <= 0.06

    async def test_timer_stops_where_nobody_waits(self, timers):
        """An idle connection keeps no loop busy; its next command sets one anew."""
        async with Scene(socket_timeout=0.02) as scene:
            for _ in range(2):
                scene.peer.say(b"+OK\r\n")
                await short(scene.connection, "PING")
                await wait_until(lambda: scene.connection.alarm is None)

            assert len(timers) == 2
            assert scene.connection.is_connected

    async def test_command_of_the_long_way_is_not_the_timers(self):
        """A blocking one may take longer."""
        async with Scene(socket_timeout=0.05) as scene:
            scene.peer.say(b"+OK\r\n")
            await short(scene.connection, "PING")
            asking = start(ask(scene.connection, "BLPOP", "k", 20))
            await wait_until(lambda: scene.connection.alarm is None)
            scene.peer.say(b"*-1\r\n")

            assert await asking is None

    async def test_reply_that_came_as_the_timer_ran_out_is_not_late(self):
        """It is there, and its task has not run yet: the next one must not pay for that."""
        async with Scene(socket_timeout=30) as scene:
            asking = start(short(scene.connection, "GET", "k"))
            await scene.peer.hears(GET)
            scene.connection._reader.feed_data(b"$1\r\nv\r\n")
            scene.connection.reply_by = time.monotonic() - 1
            express._ring(weakref.ref(scene.connection))

            assert await asking == b"v"
            scene.peer.say(b"$4\r\nnext\r\n")
            assert await short(scene.connection, "GET", "k") == b"next"

    async def test_rest_of_a_reply_has_the_rest_of_its_time(self):
        """What is read on has not begun anew."""
        async with Scene(socket_timeout=30) as scene:
            asking = start(short(scene.connection, "GET", "k"))
            await scene.peer.hears(GET)
            await asyncio.sleep(0.02)
            scene.peer.say(b"$1\r")
            await wait_until(lambda: scene.connection._patience < 0)
            assert scene.connection.socket_timeout <= 30 - 0.02
            scene.peer.say(b"\nv\r\n")

            assert await asking == b"v"
            assert scene.connection.socket_timeout == 30

    async def test_no_limit(self, timers):
        """Without a `socket_timeout` nobody looks at the clock."""
        async with Scene(socket_timeout=None) as scene:
            scene.peer.say(b"+OK\r\n")

            assert await short(scene.connection, "PING") == b"OK"
            assert timers == []

    async def fails(self, connection: Any) -> bool:
        try:
            await short(connection, "GET", "k")
        except redis.RedisError:
            return True
        return False

    @pytest.mark.parametrize("end", ["reply", "timeout", "reset"])
    async def test_dropped_connection_is_gone_at_once(self, end):
        """The timer does not keep it until it has run out, and no error's frames do."""
        async with Scene(socket_timeout=0.02 if end == "timeout" else 30) as scene:
            gc.disable()
            try:
                asking = start(self.fails(scene.connection))
                await scene.peer.hears(GET)
                if end == "reply":
                    scene.peer.say(b"+OK\r\n")
                elif end == "reset":
                    scene.peer.reset()
                assert await asking == (end != "reply")
                ref = weakref.ref(scene.connection)
                scene.connection = None
                await asyncio.sleep(0)
                assert ref() is None
            finally:
                gc.enable()
                scene.connection = await open_to(scene.port, redis_connect_func=_nothing)


def _nothing(connection: Any) -> None:
    connection._parser.on_connect(connection)
