"""`socket_timeout`, and commands that are to wait for longer."""

from __future__ import annotations

import asyncio

import pytest
import redis
import redis.asyncio

from ...support.forks import open_sockets
from ...support.protocols import PROTOCOLS
from ...support.proxy import FaultyProxy
from ..scene import Scene, ask, open_to


class TestTimeouts:
    """`socket_timeout`, and commands that are to wait for longer."""

    async def test_late_reply_closes_the_connection(self):
        """In redis-py's words; a late one must not meet the next command."""
        async with Scene(socket_timeout=0.02, greeting=b"") as scene:
            with pytest.raises(redis.TimeoutError, match="Timeout reading from"):
                await ask(scene.connection, "GET", "k")

            assert scene.connection.dirt() == "error"

    @PROTOCOLS
    async def test_blocking_command_may_take_as_long_as_it_says(
        self, redis_server, admin, protocol
    ):
        """In addition to `socket_timeout`; the next one has that alone."""
        connection = await open_to(redis_server.port, socket_timeout=0.3, protocol=protocol)
        assert await ask(connection, "BLPOP", "nothing", 0.5) is None
        assert connection.socket_timeout == 0.3

        await connection.send_command("BLPOP", "nothing", 0)
        assert connection.socket_timeout is None
        admin.rpush("nothing", "something")
        assert await connection.read_response() == [b"nothing", b"something"]
        assert connection.socket_timeout == 0.3
        connection.retire()

    async def test_blocking_command_in_a_transaction_blocks_nobody(self, redis_server, admin):
        """The server answers at once there."""
        connection = await open_to(redis_server.port, socket_timeout=7)
        await ask(connection, "MULTI")
        await connection.send_command("BLPOP", "nothing", 30)

        assert connection.socket_timeout == 7
        connection.retire()

    async def test_no_task_is_started_to_send(self, redis_server, admin, monkeypatch):
        """As redis-py does for each command, to take its time."""
        connection = await open_to(redis_server.port, socket_timeout=7)
        monkeypatch.setattr(asyncio, "wait_for", None)

        assert await ask(connection, "ECHO", "x" * 100_000) == b"x" * 100_000
        connection.retire()

    async def test_timeout_of_the_settings_can_be_changed(self, redis_server, admin):
        """As redis-py does in a server's maintenance."""
        connection = await open_to(redis_server.port, socket_timeout=7)
        connection.socket_timeout = 9

        assert connection.socket_timeout == 9
        connection.retire()

    async def test_command_that_cannot_be_sent_in_time_closes_the_connection(self, redis_server):
        """The server reads nothing, and what waits to be sent is as much as may wait."""
        with FaultyProxy(redis_server.port) as proxy:
            connection = await open_to(proxy.port, socket_timeout=0.1)
            proxy.swallow()
            with pytest.raises(redis.TimeoutError):  # some Pythons notice when they read
                await ask(connection, "SET", "k", b"x" * 30_000_000)

            assert connection.dirt() == "error"
            assert open_sockets(proxy.port) == set()
