"""What is known of a connection: sent minus read, its state, what the server says no to."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress

import pytest
import redis
import redis.asyncio
from redis.exceptions import ExecAbortError, ReadOnlyError

from redis_pool_ext.connection import guarded
from redis_pool_ext.deadline import Deadline

from ...support.protocols import PROTOCOLS
from ..scene import Scene, ask, make, open_to
from ..tasks import start

COMMANDS = [
    [("SELECT", 3)],
    [("SELECT", 300)],
    [("WATCH", "k")],
    [("WATCH",)],
    [("WATCH", "k"), ("UNWATCH",)],
    [("WATCH", "k"), ("UNWATCH", "wrong")],
    [("MULTI",)],
    [("MULTI",), ("SET", "k", 1), ("EXEC",)],
    [("MULTI",), ("NO SUCH COMMAND",), ("EXEC",)],
    [("MULTI",), ("DISCARD",)],
    [("MULTI",), ("WATCH", "k")],
    [("CLIENT", "SETNAME", "me")],
    [("CLIENT", "ID")],
    [("CLIENT REPLY", "ON")],
    [("HELLO", 3)],
    [("AUTH", "default", "wrong")],
    [("READONLY",)],
    [("SUBSCRIBE", "news")],
    [("MONITOR",)],
    [("SCRIPT", "DEBUG", "NO")],
    [("SET", "k", "v"), ("GET", "k"), ("LPOP", "k"), ("GET", "none")],
    [("BLPOP", "nothing", 0.01)],
]


def _names(commands: list[tuple[object, ...]]) -> str:
    return "-".join(str(command[0]) for command in commands)


def _state(connection) -> tuple[object, ...]:
    return (
        connection.marks,
        connection.pending,
        connection.dirt(),
        connection.last_command,
        connection.is_connected,
        connection._patience,
    )


@PROTOCOLS
@pytest.mark.parametrize(
    "commands", COMMANDS, ids=lambda commands: "-".join(c[0] for c in commands)
)
async def test_each_command_leaves_what_it_leaves_on_a_connection_of_threads(
    redis_server, admin, commands, protocol
):
    """The twin is the measure, after each command."""
    settings = {"host": "127.0.0.1", "port": redis_server.port, "protocol": protocol}
    theirs, ours = guarded(redis.Connection)(**settings), make(**settings)
    theirs.open(Deadline(5))
    await ours.open(Deadline(5))
    for command in commands:
        theirs.send_command(*command)
        await ours.send_command(*command)
        assert _state(ours) == _state(theirs)
        expected = got = None
        how = {"push_request": command[0] == "SUBSCRIBE"}
        with suppress(redis.ResponseError):
            expected = theirs.read_response(**how)
        with suppress(redis.ResponseError):
            got = await ours.read_response(**how)
        assert type(got) is type(expected)
        assert _state(ours) == _state(theirs)
    theirs.retire()
    ours.retire()


class TestAccount:
    """Sent minus read, to the last one."""

    async def test_new_connection_owes_nothing(self, redis_server, admin):
        """What its own handshake has sent is forgotten: SELECT, too."""
        connection = await open_to(redis_server.port, db=3, client_name="me", protocol=3)

        assert (connection.pending, connection.marks, connection.last_command) == (0, set(), None)
        assert connection.dirt() is None
        assert await ask(connection, "CLIENT", "GETNAME") == b"me"
        connection.retire()

    async def test_unread_reply_is_not_left_to_the_next_command(self, redis_server, admin):
        """Sending where a reply is owed is refused, and closes the connection."""
        connection = await open_to(redis_server.port)
        await connection.send_command("ECHO", "old")
        assert (connection.pending, connection.dirt()) == (1, "unread reply")

        with pytest.raises(redis.ConnectionError, match="was never read"):
            await connection.send_command("ECHO", "new")
        assert not connection.is_connected
        assert await ask(connection, "ECHO", "newer") == b"newer"
        connection.retire()

    async def test_commands_packed_together_are_counted_one_by_one(self, redis_server, admin):
        """A pipeline's replies, each of them, and each mark."""
        connection = await open_to(redis_server.port)
        await connection.send_packed_command(
            connection.pack_commands([("SET", "k", 1), ("SELECT", 2), ("INCR", "k")])
        )

        for owed in (3, 2, 1):
            assert connection.pending == owed
            await connection.read_response()
        assert (connection.pending, connection.marks) == (0, {"SELECT"})
        connection.retire()

    async def test_commands_packed_together_are_what_redis_py_packs(self, redis_server, admin):
        """To the byte, whatever is in them."""
        plain = redis.asyncio.Connection()
        connection = await open_to(redis_server.port)
        commands = [
            ("SET", "k", "v"), ("SET", b"k", 1, "EX", 1.5), ("get", "k"), ("CONFIG GET", "*"),
            ("SCRIPT LOAD", "return 1"), ("SELECT", 3), ("SET", "k", b"x" * 10_000),
            ("SET", "\u00fc", memoryview(b"v")), ("ECHO", ""),
        ]  # fmt: skip
        for packs in (commands, *([command] for command in commands)):
            packed = b"".join(connection.pack_commands(packs))
            assert packed == b"".join(plain.pack_commands(packs))
        connection.retire()

    async def test_hand_packed_commands_are_counted(self, redis_server, admin):
        """Bytes packed with pack_command() count as the commands that they are."""
        connection = await open_to(redis_server.port)
        packed = connection.pack_command("SET", "k", 1) + connection.pack_command("GET", "k")
        await connection.send_packed_command(packed)

        assert connection.pending == 2
        assert [await connection.read_response() for _ in range(2)] == [b"OK", b"1"]
        assert connection.dirt() is None
        connection.retire()

    async def test_bytes_packed_elsewhere_are_taken_for_anything(self, redis_server, admin):
        """What nobody can read the meaning of is not handed on."""
        connection = await open_to(redis_server.port)
        await connection.send_packed_command([b"*2\r\n$6\r\nSELECT\r\n$1\r\n5\r\n"])
        await connection.read_response()

        assert connection.dirt() == "left in bytes packed elsewhere"
        connection.retire()

    async def test_command_that_cannot_be_packed_owes_no_reply(self, redis_server, admin):
        """A DataError is raised before anything is sent; it is not counted later, either."""
        connection = await open_to(redis_server.port)
        with pytest.raises(redis.DataError):
            await connection.send_command("SET", "k", None)
        with pytest.raises(redis.DataError):
            connection.pack_commands([("SET", "k", 1), ("SET", "k", None)])

        await connection.send_packed_command(connection.pack_command("PING"))
        await connection.read_response()
        assert connection.dirt() is None
        connection.retire()

    async def test_read_that_ends_before_its_reply_came_leaves_it_owed(self):
        """`timeout=` returns None then, and no reply was read; a nil is one."""
        async with Scene() as scene:
            connection = scene.connection
            await connection.send_command("GET", "k")

            assert await connection.read_response(timeout=0) is None
            assert (connection.pending, connection.broken) == (1, False)
            assert connection.is_connected
            scene.peer.say(b"$-1\r\n")
            assert await connection.read_response(timeout=5) is None
            assert connection.pending == 0

    @pytest.mark.parametrize("disconnect_on_error", [True, False])
    async def test_read_that_fails_closes_the_connection_if_it_is_to(self, disconnect_on_error):
        """With a `timeout=`, too, as PubSub reads."""
        async with Scene() as scene:
            scene.peer.close()
            with pytest.raises(redis.ConnectionError):
                await scene.connection.read_response(
                    timeout=5, disconnect_on_error=disconnect_on_error
                )

            assert scene.connection.is_connected is not disconnect_on_error
            assert scene.connection.broken

    async def test_read_for_ever_ignores_the_timeout(self):
        """`timeout=math.inf`, in the way of redis-py 8."""
        async with Scene(socket_timeout=0.01) as scene:
            await scene.connection.send_command("GET", "k")
            reading = start(scene.connection.read_response(timeout=math.inf))
            await asyncio.sleep(0.05)
            scene.peer.say(b"$1\r\nv\r\n")

            assert await reading == b"v"

    async def test_subscription_may_send_before_it_reads(self, redis_server, admin):
        """Where the server speaks unasked, replies are not counted one by one."""
        connection = await open_to(redis_server.port)
        await connection.send_command("SUBSCRIBE", "a")
        await connection.send_command("SUBSCRIBE", "b")

        kwargs = {"push_request": True}
        channels = [(await connection.read_response(**kwargs))[1] for _ in range(2)]
        assert channels == [b"a", b"b"]
        connection.retire()

    async def test_health_check_is_not_the_holders_command(self, redis_server, admin):
        """redis-py's PING goes out and comes back in between."""
        connection = await open_to(redis_server.port, health_check_interval=30)
        connection.next_health_check = 0

        assert await ask(connection, "ECHO", "mine") == b"mine"
        assert (connection.pending, connection.dirt()) == (0, None)
        connection.retire()


class TestRefusals:
    """What the server says no to."""

    async def test_readonly_reply_is_noted(self, redis_server):
        """The server is a replica by now: the connection is not to be lent again."""
        async with Scene() as scene:
            scene.peer.say(b"-READONLY You can't write against a read only replica.\r\n")
            with pytest.raises(ReadOnlyError):
                await ask(scene.connection, "SET", "k", "v")

            assert (scene.connection.dirt(), scene.connection.lane) == ("read only", None)

    async def test_aborted_transaction_is_over(self):
        """EXECABORT ends it as EXEC does; any other error leaves it where it was."""
        async with Scene() as scene:
            scene.peer.say(b"+OK\r\n-ERR no\r\n-EXECABORT discarded\r\n")
            await ask(scene.connection, "MULTI")
            with pytest.raises(redis.ResponseError):
                await ask(scene.connection, "EXEC")
            assert scene.connection.marks == {"MULTI"}
            with pytest.raises(ExecAbortError):
                await ask(scene.connection, "EXEC")

            assert scene.connection.dirt() is None
