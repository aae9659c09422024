"""Who has a short way, and an ordinary reply on it."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.asyncio
from redis._parsers import Encoder
from redis.asyncio.connection import AbstractConnection, SSLConnection, UnixDomainSocketConnection

from redis_pool_ext.aio import express
from redis_pool_ext.aio.express import LONGEST, is_redis_pys_own_async

from ...support.protocols import PROTOCOLS
from ..scene import Scene, ask, open_to
from ..tasks import start, wait_until
from .short import GET, short


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
