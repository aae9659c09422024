"""The short way of tasks: who has one, and what comes of an exchange on it."""

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
from redis._parsers import Encoder
from redis.asyncio.connection import AbstractConnection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import BusyLoadingError, InvalidResponse, ReadOnlyError

from redis_pool_ext.aio import express
from redis_pool_ext.aio.connection import GuardedAsyncConnection
from redis_pool_ext.aio.express import LONGEST, exchange, is_redis_pys_own_async
from redis_pool_ext.packing import pack_ordinary

from .cancels import When, cancel_everywhere
from .scene import Scene, ask, open_to
from .tasks import start, wait_until

PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3])

GET = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
PUSH = b">2\r\n$4\r\nnews\r\n$5\r\nhello\r\n"


async def short(connection: Any, *args: Any) -> Any:
    """Do as a lease does: look, owe, and go the short way."""
    packed = pack_ordinary(args)
    assert packed is not None
    assert connection.lane.has_room_for(packed)
    assert not connection.pending
    connection.pending = 1
    return await exchange(connection, connection.lane, packed)


def overriding(name: str) -> type[redis.asyncio.Connection]:
    """Return a connection class that has its own `name`, which does the same."""
    function = getattr(redis.asyncio.Connection, name)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return type("Own", (redis.asyncio.Connection,), {name: wrapper})


class MyEncoder(Encoder):
    """Not redis-py's own."""


PYTHON_PARSERS = (
    redis.asyncio.connection._AsyncRESP2Parser,
    redis.asyncio.connection._AsyncRESP3Parser,
)


class TestWhoHasOne:
    """An open connection of redis-py's own kind, with hiredis."""

    @PROTOCOLS
    @pytest.mark.parametrize("encoding", ["utf-8", "UTF8"])
    async def test_ordinary_connection(self, redis_server, admin, protocol, encoding):
        """As soon as it is open, and until it is closed."""
        connection = await open_to(redis_server.port, protocol=protocol, encoding=encoding)
        assert connection.lane is not None
        await connection.disconnect()
        assert connection.lane is None
        await ask(connection, "PING")
        assert connection.lane is not None
        connection.retire()
        assert connection.lane is None

    @pytest.mark.parametrize(
        "settings",
        [
            {"health_check_interval": 30},
            {"parser_class": PYTHON_PARSERS[0], "protocol": 2},
            {"parser_class": PYTHON_PARSERS[1], "protocol": 3},
            {"encoding": "latin-1"},
            {"encoding_errors": "replace"},
            {"encoder_class": MyEncoder},
        ],
        ids=lambda settings: next(iter(settings)),
    )
    async def test_unusual_setting(self, redis_server, admin, settings):
        """It asks for something that only redis-py's way does."""
        connection = await open_to(redis_server.port, **settings)

        assert connection.lane is None
        assert await ask(connection, "ECHO", "mine") == b"mine"
        connection.retire()

    @pytest.mark.parametrize("name", express._REDIS_PYS_OWN)
    async def test_class_with_steps_of_its_own(self, redis_server, admin, name):
        """It wants to see what is sent, or read."""
        kind = overriding(name)
        connection = await open_to(redis_server.port, connection_class=kind)

        assert isinstance(connection, kind)
        assert connection.lane is None
        connection.retire()

    def test_class_is_redis_pys_own_where_it_overrides_nothing(self):
        """Also over TLS, or a Unix socket."""
        for kind in (redis.asyncio.Connection, SSLConnection, UnixDomainSocketConnection):
            assert is_redis_pys_own_async(kind)
        assert not is_redis_pys_own_async(overriding("read_response"))
        assert not is_redis_pys_own_async(object)

    async def test_command_for_which_there_is_no_room(self):
        """It is too long, or one before it is not sent yet: somebody would have to wait."""
        async with Scene() as scene:
            lane = scene.connection.lane
            assert lane.has_room_for(b"x" * LONGEST)
            assert not lane.has_room_for(b"x" * (LONGEST + 1))
            lane.write(b"x" * 30_000_000)
            assert not lane.has_room_for(b"x")


class TestOrdinary:
    """A reply that is what it is."""

    @PROTOCOLS
    @pytest.mark.parametrize("decode_responses", [False, True])
    async def test_replies_are_those_of_the_long_way(
        self, redis_server, admin, protocol, decode_responses, monkeypatch
    ):
        """Of each kind, and none of redis-py's own steps is done."""
        admin.rpush("l", "a", "b")
        admin.hset("h", "f", "v")
        admin.sadd("s", "m")
        admin.zadd("z", {"m": 1.5})
        connection = await open_to(
            redis_server.port, protocol=protocol, decode_responses=decode_responses
        )
        commands = [
            ("SET", "k", "v"), ("GET", "k"), ("GET", "none"), ("EXISTS", "k"),
            ("LRANGE", "l", 0, -1), ("LRANGE", "none", 0, -1), ("HGETALL", "h"),
            ("SMEMBERS", "s"), ("MGET", "k", "none"),
            ("ZSCORE", "z", "m"), ("ZRANGE", "z", 0, -1, "WITHSCORES"), ("SCAN", 0),
        ]  # fmt: skip
        expected = [await ask(connection, *command) for command in commands]
        monkeypatch.setattr(AbstractConnection, "read_response", None)
        monkeypatch.setattr(AbstractConnection, "send_packed_command", None)

        for command, reply in zip(commands, expected, strict=True):
            assert await short(connection, *command) == reply
            assert connection.pending == 0
        monkeypatch.undo()
        assert connection.dirt() is None
        connection.retire()

    async def test_command_is_sent_as_it_is_packed(self):
        """And not before it is asked for."""
        async with Scene() as scene:
            asking = start(short(scene.connection, "GET", "k"))
            await wait_until(lambda: scene.peer.heard == GET)
            assert scene.connection.pending == 1
            scene.peer.say(b"$1\r\nv\r\n")

            assert await asking == b"v"
            assert scene.connection.pending == 0


class TestUnusual:
    """What is not ordinary is left to redis-py's own way, where it was met."""

    async def goes_on(self, scene: Scene) -> None:
        assert (scene.connection.pending, scene.connection._patience) == (0, 0.0)
        scene.peer.say(b"$4\r\nnext\r\n")
        assert await short(scene.connection, "GET", "k") == b"next"

    async def begins_anew(self, scene: Scene) -> None:
        assert not scene.connection.is_connected
        assert (scene.connection.pending, scene.connection.dirt()) == (0, "error")
        scene.greeting = b"$4\r\nnext\r\n"
        assert await ask(scene.connection, "GET", "k") == b"next"

    async def test_error(self):
        """It is raised, and the connection is in order."""
        async with Scene() as scene:
            scene.peer.say(b"-ERR refused\r\n")
            with pytest.raises(redis.ResponseError, match="refused"):
                await short(scene.connection, "GET", "k")
            await self.goes_on(scene)

    async def test_readonly(self):
        """The short way is closed, as the connection is not to be lent again."""
        async with Scene() as scene:
            scene.peer.say(b"-READONLY You can't write against a read only replica.\r\n")
            with pytest.raises(ReadOnlyError):
                await short(scene.connection, "SET", "k", "v")
            assert (scene.connection.read_only, scene.connection.lane) == (True, None)

    async def test_error_that_ends_the_connection(self):
        """redis-py takes it for a ConnectionError, and closes."""
        async with Scene() as scene:
            scene.peer.say(b"-LOADING Redis is loading the dataset in memory\r\n")
            with pytest.raises(BusyLoadingError):
                await short(scene.connection, "GET", "k")
            await self.begins_anew(scene)

    async def test_error_inside_a_list(self):
        """An EVAL may return it: it is a value there."""
        async with Scene() as scene:
            scene.peer.say(b"*2\r\n-ERR no\r\n:1\r\n")
            reply = await short(scene.connection, "GET", "k")
            assert isinstance(reply[0], redis.ResponseError)
            assert reply[1] == 1
            await self.goes_on(scene)

    async def test_error_inside_a_list_that_ends_the_connection(self):
        """redis-py raises it, if it comes first."""
        async with Scene() as scene:
            scene.peer.say(b"*2\r\n-LOADING Redis is loading the dataset in memory\r\n:1\r\n")
            with pytest.raises(BusyLoadingError):
                await short(scene.connection, "GET", "k")
            await self.begins_anew(scene)

    async def test_push_message_before_the_reply(self):
        """It is handed to its handler, and the reply is read on for."""
        async with Scene(protocol=3) as scene:
            seen = []

            async def handler(message: Any) -> None:
                seen.append(message)

            scene.connection._parser.set_pubsub_push_handler(handler)
            asking = start(short(scene.connection, "GET", "k"))
            await scene.peer.hears(GET)
            scene.peer.say(PUSH + PUSH)
            await wait_until(lambda: len(seen) == 2)
            assert scene.connection.pending == 1
            scene.peer.say(b"$1\r\nv\r\n")

            assert await asking == b"v"
            await self.goes_on(scene)

    async def test_push_message_that_asks_for_a_new_connection(self):
        """The short way is closed: the pool is to look at it as it comes back."""
        async with Scene(protocol=3) as scene:

            async def handler(_message: Any) -> None:
                scene.connection._should_reconnect = True

            scene.connection._parser.set_pubsub_push_handler(handler)
            scene.peer.say(PUSH + b"$1\r\nv\r\n")

            assert await short(scene.connection, "GET", "k") == b"v"
            assert scene.connection.lane is None
            assert scene.connection.dirt() == "reconnect asked"

    @pytest.mark.parametrize("size", [1, 100, 200_000])
    async def test_reply_in_pieces(self, size):
        """However many."""
        async with Scene() as scene:
            asking = start(short(scene.connection, "GET", "k"))
            await scene.peer.hears(GET)
            data = b"$%d\r\n%s\r\n" % (size, b"x" * size)
            for piece in (data[:1], data[1:7], data[7:]):
                scene.peer.say(piece)
                await asyncio.sleep(0.001)

            assert await asking == b"x" * size
            await self.goes_on(scene)

    @pytest.mark.parametrize("said", [b"", b"$5\r\nva"])
    async def test_end_of_the_stream(self, said):
        """Half a value is no value."""
        async with Scene() as scene:
            scene.peer.say(said)
            asking = start(short(scene.connection, "GET", "k"))
            await scene.peer.hears(GET)
            scene.peer.close()
            with pytest.raises(redis.ConnectionError, match="closed by server"):
                await asking
            await self.begins_anew(scene)

    async def test_end_of_the_stream_before_the_command(self):
        """The server has gone in order, and nobody has looked."""
        async with Scene() as scene:
            scene.peer.close()
            await wait_until(scene.connection._reader.at_eof)
            with pytest.raises(redis.ConnectionError, match="closed by server"):
                await short(scene.connection, "GET", "k")
            await self.begins_anew(scene)

    async def test_reset(self):
        """The server was killed, with the command unread."""
        async with Scene() as scene:
            asking = start(short(scene.connection, "GET", "k"))
            await scene.peer.hears(GET)
            scene.peer.reset()
            with pytest.raises(redis.ConnectionError, match="Error while reading"):
                await asking
            await self.begins_anew(scene)

    async def test_protocol_error(self):
        """It is no Redis that answers there."""
        async with Scene() as scene:
            scene.peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            with pytest.raises(InvalidResponse):
                await short(scene.connection, "GET", "k")
            await self.begins_anew(scene)

    async def test_reply_that_cannot_be_decoded(self):
        """It was read as a whole, but nobody can tell how far the parser came."""
        async with Scene(decode_responses=True) as scene:
            scene.peer.say(b"$1\r\n\xff\r\n")
            with pytest.raises(UnicodeDecodeError):
                await short(scene.connection, "GET", "k")
            assert scene.connection.dirt() == "error"

    @pytest.mark.parametrize("error", [RuntimeError("the handler is closed"), OSError(9, "closed")])
    async def test_command_that_cannot_be_written(self, error):
        """asyncio's own transports raise nothing; others do."""
        async with Scene() as scene:

            def write(_packed: bytes) -> None:
                raise error

            scene.connection.lane = scene.connection.lane._replace(write=write)
            with pytest.raises(redis.ConnectionError, match="while writing"):
                await short(scene.connection, "GET", "k")
            await self.begins_anew(scene)

    async def test_connection_that_is_taken_away(self):
        """Its task sees the end of the stream."""
        async with Scene() as scene:
            asking = start(short(scene.connection, "GET", "k"))
            await scene.peer.hears(GET)
            scene.connection.forfeit()
            with pytest.raises(redis.ConnectionError, match="closed by server"):
                await asking

    async def test_reply_that_was_there_as_the_connection_was_taken_away(self):
        """It is its own, and nothing is owed of it."""
        async with Scene() as scene:
            asking = start(short(scene.connection, "GET", "k"))
            await scene.peer.hears(GET)
            scene.connection._reader.feed_data(b"$1\r\nv\r\n")  # its task has not run yet
            scene.connection.forfeit()

            assert await asking == b"v"
            assert scene.connection.pending == 0


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


# What is said before a reply, by the command's key.
BEFORE = {
    "plain": b"",
    "pushed": PUSH,
    "refused": b"-ERR refused\r\n",
    "long": b"$200000\r\n" + b"x" * 200_000 + b"\r\n",
}


class TestCancellation:
    """Who is cancelled on the short way leaves a closed connection."""

    @pytest.mark.parametrize("when", When, ids=lambda when: when.value)
    @pytest.mark.parametrize("key", BEFORE)
    async def test_cancelled_exchange_leaves_no_reply_behind(self, when, key):
        """At each place where it waits: closed or in order, and the next reply is its own."""
        async with Scene(protocol=3, greeting=BEFORE[key] + b"$4\r\nmine\r\n") as scene:
            connection = scene.connection

            async def scenario() -> None:
                try:
                    assert await short(connection, "GET", key) in (b"mine", b"x" * 200_000)
                except redis.ResponseError:
                    assert key == "refused"

            places = 0
            async for _place in cancel_everywhere(scenario, when):
                places += 1
                assert (connection.pending, connection.reply_by) == (0, 0.0)
                if connection.is_connected:
                    connection.cut()
                assert not connection.broken
                await connection.connect()
            assert places >= 1

    async def test_reply_of_a_cancelled_command_is_nobodys(self):
        """Its connection is closed before the next command, and no other one is doubted."""
        async with Scene() as scene:
            asking = start(short(scene.connection, "GET", "k"))
            await scene.peer.hears(GET)
            asking.cancel()
            await asyncio.wait([asking])

            assert asking.cancelled()
            assert scene.connection.dirt() == "closed"
            assert scene.connection.reply_lost
            await wait_until(lambda: scene.peer.has_ended)
