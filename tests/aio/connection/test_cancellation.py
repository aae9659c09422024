"""Who is cancelled in the middle of an exchange leaves a closed connection."""

from __future__ import annotations

import asyncio

import pytest

from ...support.forks import open_sockets
from ..cancels import When, cancel_everywhere
from ..scene import Scene, ask, open_to
from ..tasks import start


class TestCancellation:
    """Who is cancelled in the middle of an exchange leaves a closed connection."""

    @pytest.mark.parametrize("when", When, ids=lambda when: when.value)
    async def test_cancelled_exchange_leaves_no_reply_behind(self, redis_server, admin, when):
        """At each place where it waits: closed or in order, and the next reply is its own."""
        others = open_sockets(redis_server.port)
        connection = await open_to(redis_server.port)

        async def scenario() -> None:
            assert await ask(connection, "ECHO", "mine") == b"mine"
            await connection.disconnect()
            assert await ask(connection, "ECHO", "again") == b"again"

        places = 0
        async for _place in cancel_everywhere(scenario, when):
            places += 1
            assert (connection.pending, connection.is_dialling) == (0, False)
            assert not connection.broken
            assert len(open_sockets(redis_server.port) - others) <= 1
            assert await ask(connection, "ECHO", "next") == b"next"
        assert places >= 4
        connection.retire()
        assert open_sockets(redis_server.port) == others

    async def test_cancelled_reader_was_not_told_by_the_network(self):
        """Its connection is closed, and no other one is doubted for it."""
        async with Scene() as scene:
            reading = start(ask(scene.connection, "GET", "k"))
            await scene.peer.hears(b"GET")
            reading.cancel()
            await asyncio.wait([reading])

            assert reading.cancelled()
            assert scene.connection.dirt() == "closed"
            assert scene.connection.reply_lost

    async def test_disconnect_waits_for_nothing(self, redis_server, admin):
        """So that it cannot be cancelled half-way."""
        connection = await open_to(redis_server.port)
        await connection.send_command("PING")
        closing = connection.disconnect()

        with pytest.raises(StopIteration):
            closing.send(None)
        assert (connection.is_connected, connection.pending) == (False, 0)
        connection.retire()

    async def test_coroutine_that_is_dropped_leaves_a_closed_connection(self, redis_server):
        """Nobody waits for it any more: its loop has ended, say."""
        async with Scene() as scene:
            asking = ask(scene.connection, "GET", "k")
            asking.send(None)
            asking.close()

            assert scene.connection.dirt() == "closed"
