"""What is not ordinary is left to redis-py's own way, where it was met."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.exceptions import BusyLoadingError, InvalidResponse, ReadOnlyError

from ..scene import Scene, ask
from ..tasks import start, wait_until
from .short import GET, PUSH, short


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
