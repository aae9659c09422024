"""A look at a connection of tasks, and a question."""

from __future__ import annotations

import select
import time

import pytest
import redis.asyncio
from redis.asyncio.connection import SSLConnection

from redis_pool_ext.aio import liveness
from redis_pool_ext.aio.liveness import answers, looks_alive
from redis_pool_ext.deadline import Deadline

from ..support.certificates import authority_file
from ..support.proxy import FaultyProxy
from ..support.tls import TLSFront
from .cancels import When, cancel_everywhere
from .scene import Scene, ask, make, open_to
from .tasks import wait_until

PARSERS = {
    "hiredis": {},
    "resp2": {"protocol": 2, "parser_class": redis.asyncio.connection._AsyncRESP2Parser},
    "resp3": {"protocol": 3, "parser_class": redis.asyncio.connection._AsyncRESP3Parser},
}


@pytest.fixture(params=PARSERS)
def parser(request) -> dict[str, object]:
    """Settings for each kind of parser."""
    return PARSERS[request.param]


class TestLook:
    """Open, and nothing to read: neither in the kernel, nor in the stream, nor in the parser."""

    async def test_open_and_quiet_connection_is_alive(self, parser):
        """Also after a command."""
        async with Scene(**parser) as scene:
            assert looks_alive(scene.connection)
            scene.peer.say(b"$1\r\nv\r\n")
            assert await ask(scene.connection, "GET", "k") == b"v"
            assert looks_alive(scene.connection)

    async def test_data_that_the_loop_has_not_read_is_no_sign_of_life(self):
        """The look goes past the loop, which has not run since."""
        async with Scene() as scene:
            scene.peer.say(b"+OK\r\n")
            assert scene.connection._reader._buffer == b""
            assert not looks_alive(scene.connection)

    async def test_data_in_the_stream_is_no_sign_of_life(self):
        """It would answer the next command."""
        async with Scene() as scene:
            scene.peer.say(b"+OK\r\n")
            await wait_until(lambda: scene.connection._reader._buffer != b"")
            assert not looks_alive(scene.connection)

    async def test_data_in_the_parser_is_no_sign_of_life(self, parser):
        """It came together with the reply before."""
        async with Scene(**parser) as scene:
            scene.peer.say(b"$1\r\nv\r\n$1\r\n")
            assert await ask(scene.connection, "GET", "k") == b"v"
            if parser:  # it takes no more than it needs
                await wait_until(lambda: scene.connection._reader._buffer != b"")
            assert not looks_alive(scene.connection)

    async def test_end_of_the_stream_is_seen(self):
        """By the look, or by the loop."""
        async with Scene() as scene:
            scene.peer.close()
            await wait_until(lambda: not looks_alive(scene.connection))
            await wait_until(scene.connection._reader.at_eof)
            assert not looks_alive(scene.connection)

    async def test_reset_is_seen(self):
        """The server was killed."""
        async with Scene() as scene:
            scene.peer.reset()
            await wait_until(lambda: scene.connection._reader.exception() is not None)
            assert not looks_alive(scene.connection)

    async def test_connection_that_we_closed_is_dead(self):
        """Or are about to close."""
        async with Scene() as scene:
            scene.connection._writer.close()
            assert not looks_alive(scene.connection)
            scene.connection.cut()
            assert not looks_alive(scene.connection)

    async def test_look_without_poll(self, monkeypatch):
        """There it sees what the loop has seen."""
        async with Scene() as scene:
            monkeypatch.delattr(select, "poll")
            assert looks_alive(scene.connection)
            scene.peer.close()
            await wait_until(lambda: not looks_alive(scene.connection))

    async def test_tls(self, redis_server, admin, monkeypatch):
        """What can be read there may be for TLS itself, and is for the loop to read."""
        with TLSFront(redis_server.port) as port:
            settings = {"ssl_ca_certs": authority_file(), "ssl_check_hostname": False}
            connection = make(SSLConnection, host="127.0.0.1", port=port, **settings)
            await connection.open(Deadline(5))
            assert looks_alive(connection)
            assert await ask(connection, "ECHO", "mine") == b"mine"
            monkeypatch.setattr(liveness, "is_quiet", None)
            assert looks_alive(connection)
        await wait_until(lambda: not looks_alive(connection))
        connection.retire()

    async def test_fake(self):
        """It is alive as long as its server is connected."""
        fakeredis = pytest.importorskip("fakeredis")
        server = fakeredis.FakeServer()
        connection = make(fakeredis.FakeAsyncRedisConnection, server=server)
        assert not looks_alive(connection)
        await connection.open(Deadline(5))
        assert looks_alive(connection)
        assert await answers(connection, Deadline(0))
        server.connected = False
        assert not looks_alive(connection)
        connection.retire()


class TestQuestion:
    """A PING, before a deadline."""

    async def test_server_that_answers(self, redis_server, admin):
        """The question is not its holder's command, and leaves nothing."""
        connection = await open_to(redis_server.port)

        assert await answers(connection, Deadline(5))
        assert (connection.last, connection.dirt()) == (None, None)
        connection.retire()

    async def test_server_that_refuses_the_question_has_answered(self):
        """An ACL, say."""
        async with Scene() as scene:
            scene.peer.say(b"-NOPERM this user has no permissions\r\n")

            assert await answers(scene.connection, Deadline(5))
            assert scene.connection.dirt() is None

    async def test_server_that_says_nothing(self, redis_server):
        """The question ends in time, and its late answer is nobody's."""
        with FaultyProxy(redis_server.port) as proxy:
            connection = await open_to(proxy.port, socket_timeout=30)
            proxy.lose_answers()
            began = time.monotonic()

            assert not await answers(connection, Deadline(0.05))
            assert time.monotonic() - began < 1
            assert not connection.is_connected
            connection.retire()

    async def test_server_that_has_gone(self):
        """Its socket is closed."""
        async with Scene() as scene:
            scene.peer.close()

            assert not await answers(scene.connection, Deadline(5))

    @pytest.mark.parametrize("when", When, ids=lambda when: when.value)
    async def test_cancelled_question_closes_the_connection(self, when):
        """Its answer must not meet the next command."""
        async with Scene(greeting=b"+PONG\r\n") as scene:
            connection = scene.connection

            async def scenario() -> None:
                assert await answers(connection, Deadline(5))

            places = 0
            async for _place in cancel_everywhere(scenario, when):
                places += 1
                assert not connection.is_connected
                assert (connection.pending, connection.broken) == (0, False)
                await connection.connect()
            assert places >= 1
