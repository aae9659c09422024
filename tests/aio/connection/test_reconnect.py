"""A connection that is dialled anew: only through the pool, never into another state."""

from __future__ import annotations

import pytest
import redis
import redis.asyncio

from redis_pool_ext import LeaseError
from redis_pool_ext.errors import LeaseStateLostError

from ..scene import HOME, Scene, ask, open_to


class TestReconnect:
    """Only through the pool, and never into another state."""

    async def test_command_dials_through_the_pool(self, redis_server, admin):
        """Where the socket is gone."""
        connection = await open_to(redis_server.port)
        await connection.disconnect()
        before = HOME.dials

        assert await ask(connection, "ECHO", "mine") == b"mine"
        assert HOME.dials == before + 1
        connection.retire()

    @pytest.mark.parametrize("command", [("SELECT", 3), ("MULTI",), ("WATCH", "k")])
    async def test_command_that_reconnects_is_noted(self, redis_server, admin, command):
        """The reconnect inside the send does not wipe the mark of what is sent."""
        connection = await open_to(redis_server.port)
        connection.cut()
        await ask(connection, *command)

        assert connection.marks == {command[0]}
        connection.retire()

    @pytest.mark.parametrize("close", ["disconnect", "cut"])
    async def test_wish_for_a_new_connection_ends_with_the_old_one(
        self, redis_server, admin, close
    ):
        """The server's maintenance was about that one."""
        connection = await open_to(redis_server.port)
        connection._should_reconnect = True
        assert connection.dirt() == "reconnect asked"
        closing = getattr(connection, close)()
        if closing is not None:
            await closing
        await connection.connect()

        assert connection.dirt() is None
        connection.retire()

    @pytest.mark.parametrize("close", ["disconnect", "cut"])
    async def test_lost_state_is_not_replaced_in_silence(self, redis_server, admin, close):
        """The connection refuses to go on, until its transaction is over."""
        connection = await open_to(redis_server.port)
        await ask(connection, "WATCH", "k")
        closing = getattr(connection, close)()
        if closing is not None:
            await closing

        with pytest.raises(LeaseStateLostError, match="WATCH"):
            await connection.send_command("PING")
        connection.transaction_over()
        assert await ask(connection, "PING") == b"PONG"
        connection.retire()

    async def test_confirmed_state_is_lost_with_a_later_command(self):
        """Whose own reply is owed; that of the WATCH was read before."""
        async with Scene(greeting=b"+OK\r\n") as scene:
            await ask(scene.connection, "WATCH", "k")
            scene.peer.close()
            with pytest.raises(redis.ConnectionError):
                await ask(scene.connection, "GET", "k")
            with pytest.raises(LeaseStateLostError, match="WATCH"):
                await ask(scene.connection, "GET", "k")

    async def test_unconfirmed_state_was_not_relied_on(self):
        """Its command may be sent once more."""
        async with Scene(greeting=b"+OK\r\n") as scene:
            await ask(scene.connection, "PING")
            scene.peer.close()
            with pytest.raises(redis.ConnectionError):
                await ask(scene.connection, "WATCH", "k")

            assert await ask(scene.connection, "WATCH", "k") == b"OK"

    async def test_connection_that_was_given_back_is_not_revived(self, redis_server, admin):
        """Whoever kept a reference after the pool dropped it cannot use it."""
        connection = await open_to(redis_server.port)
        connection.retire()

        with pytest.raises(LeaseError, match="given back"):
            await connection.send_command("PING")

    async def test_server_that_hangs_up_is_told(self, redis_server, admin):
        """As redis-py does it; what is on the connection is owed no more."""
        connection = await open_to(redis_server.port)
        admin.execute_command("CLIENT", "KILL", "ID", await ask(connection, "CLIENT", "ID"))

        with pytest.raises(redis.ConnectionError):
            await ask(connection, "PING")
        assert (connection.dirt(), connection.pending) == ("error", 0)
        assert connection.reply_lost
