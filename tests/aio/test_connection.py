"""The guard in front of redis-py's asyncio connections."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress

import pytest
import redis
import redis.asyncio
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ExecAbortError, ReadOnlyError

from redis_pool_ext import LeaseError
from redis_pool_ext.account import Account
from redis_pool_ext.aio.connection import GuardedAsyncConnection, guarded_async
from redis_pool_ext.aio.dial import DialledAsyncConnection
from redis_pool_ext.aio.in_time import TimedConnection
from redis_pool_ext.connection import guarded
from redis_pool_ext.deadline import Deadline
from redis_pool_ext.errors import LeaseStateLostError
from redis_pool_ext.while_dialling import WhileDialling

from ..support.forks import open_sockets
from ..support.proxy import FaultyProxy
from .cancels import When, cancel_everywhere
from .scene import HOME, Scene, ask, make, open_to
from .tasks import start, wait_until

PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3])


@pytest.mark.parametrize(
    "connection_class", [redis.asyncio.Connection, SSLConnection, UnixDomainSocketConnection]
)
def test_guard_goes_before_each_connection_class(connection_class):
    """The guard's methods come first, then the class's own, none of another class."""
    guard = guarded_async(connection_class)

    assert guard.__mro__[1:7] == (
        GuardedAsyncConnection,
        Account,
        TimedConnection,
        DialledAsyncConnection,
        WhileDialling,
        connection_class,
    )
    assert guarded_async(connection_class) is guard
    assert guarded_async(guard) is guard
    assert guard.__module__ == GuardedAsyncConnection.__module__


def test_connection_class_must_be_a_class():
    """A factory function cannot be guarded, and is told so."""
    with pytest.raises(TypeError, match="connection_class must be a class"):
        guarded_async(lambda **_kwargs: None)


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


class TestForfeit:
    """A connection that is taken from the task that uses it."""

    async def test_its_task_is_told(self):
        """It sees the end of the stream, and cannot dial again."""
        async with Scene() as scene:
            connection = scene.connection
            asking = start(ask(connection, "GET", "k"))
            await scene.peer.hears(b"GET")
            connection.forfeit()

            with pytest.raises(redis.ConnectionError, match="closed by server"):
                await asking
            with pytest.raises(LeaseError, match="given back"):
                await ask(connection, "GET", "k")
            await wait_until(lambda: scene.peer.has_ended)


async def test_fake_is_guarded_like_any_other():
    """It has no socket, and a way to connect of its own."""
    fakeredis = pytest.importorskip("fakeredis")
    connection = make(fakeredis.FakeAsyncRedisConnection, server=fakeredis.FakeServer())
    await connection.open(Deadline(5))

    assert await ask(connection, "SET", "k", "v") == b"OK"
    assert connection.lane is None
    await ask(connection, "SELECT", 3)
    assert connection.dirt() == "left in SELECT"
    connection.cut()
    assert connection.dirt() == "closed"
    connection.transaction_over()
    connection._lost = frozenset()
    assert await ask(connection, "GET", "k") == b"v"
    connection.retire()
