"""Who is cancelled on the short way leaves a closed connection."""

from __future__ import annotations

import asyncio

import pytest
import redis
import redis.asyncio

from ..cancels import When, cancel_everywhere
from ..scene import Scene
from ..tasks import start, wait_until
from .short import GET, PUSH, short

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
