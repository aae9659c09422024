"""What first borrowers do, and what next borrowers look at: the verbs of the table.

They are coroutines, which borrowers that are threads run without a loop (see `verbs`).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count
from typing import Any

import redis

from redis_pool_ext.connecting.handshake import rebind
from redis_pool_ext.pooling.liveness import looks_alive

from .borrowers import Borrower
from .verbs import done, entered

Dirty = Callable[[Borrower], Coroutine[Any, Any, object]]
# Looks with the next borrower's client, of either kind, and a client beside the pools.
Probe = Callable[[Any, redis.Redis], Coroutine[Any, Any, Any]]
Use = Callable[[Any], Any]

SECRET = b"ALICE-SECRET"
RETURN_SECRET = f"return '{SECRET.decode()}'"
SELECT_BYTES = b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"


class Interrupt(BaseException):
    """What a gevent.Timeout, a worker's time limit or Ctrl-C looks like."""


# -- what the first borrower does ------------------------------------------------------


def does(*commands: tuple[Any, ...]) -> Dirty:
    """Run commands one by one, each with its reply read."""

    async def dirty(alice: Borrower) -> None:
        for command in commands:
            await alice.do(*command)

    return dirty


def queues(*commands: tuple[Any, ...], transaction: bool) -> Dirty:
    """Run commands in one pipeline."""

    async def dirty(alice: Borrower) -> None:
        pipe = alice.client.pipeline(transaction=transaction)
        for command in commands:
            await done(pipe.execute_command(*command))
        await done(pipe.execute())

    return dirty


def sends(*args: Any) -> Dirty:
    """Send a command and read nothing."""

    async def dirty(alice: Borrower) -> None:
        async with alice.connection() as connection:
            await done(connection.send_command(*args))

    return dirty


def subscribes(*args: Any) -> Dirty:
    """Send a command whose answer is a push, and read that."""

    async def dirty(alice: Borrower) -> None:
        async with alice.connection() as connection:
            await done(connection.send_command(*args))
            await done(connection.read_response(push_request=True))

    return dirty


async def sends_bytes(alice: Borrower) -> None:
    async with alice.connection() as connection:
        await done(connection.send_packed_command([SELECT_BYTES]))
        await done(connection.read_response())


async def sends_bytes_after_packing(alice: Borrower) -> None:
    async with alice.connection() as connection:
        connection.pack_command("PING")  # and never sent
        await done(connection.send_packed_command([SELECT_BYTES]))
        await done(connection.read_response())


async def sends_two_commands_as_bytes(alice: Borrower) -> None:
    async with alice.connection() as connection:
        await done(connection.send_packed_command([b"PING\r\nECHO " + SECRET + b"\r\n"]))
        await done(connection.read_response())


async def quits(alice: Borrower) -> None:
    async with alice.connection() as connection:
        await done(connection.send_command("QUIT"))
        await done(connection.read_response())
        await alice.wait_until(lambda: has_ended(connection))


def has_ended(connection: Any) -> bool:
    """Tell whether a connection, of either kind, has met the end of its stream."""
    stream = getattr(connection, "_reader", None)
    return not looks_alive(connection) if stream is None else stream.at_eof()


async def pins(alice: Borrower) -> None:
    """Use the client's own pinned client."""
    async with entered(alice.client.client()) as inner:
        await done(inner.execute_command("SELECT 3"))


def evaluates(script: str) -> Dirty:
    return lambda alice: alice.do("EVAL", script, 0)


async def listens(alice: Borrower) -> None:
    async with entered(alice.client.pubsub()) as pubsub:
        await done(pubsub.subscribe("news"))
        assert (await done(pubsub.get_message(timeout=5)))["type"] == "subscribe"


async def monitors(alice: Borrower) -> None:
    async with entered(alice.client.monitor()):
        pass


async def abandons_a_watch(alice: Borrower) -> None:
    pipe = alice.client.pipeline()
    await done(pipe.watch("watched"))
    pipe.multi()
    pipe.set("k", "alice")
    await done(pipe.reset())


async def locks(alice: Borrower) -> None:
    async with entered(new_lock(alice.client)):
        pass


def new_lock(client: Any) -> Any:
    return client.lock(f"lock {next(_numbers)}", timeout=30)


_numbers = count()


async def watches(client: Any) -> None:
    async with entered(client.pipeline()) as pipe:
        await done(pipe.watch("watched"))


async def transacts(alice: Borrower) -> None:
    async with entered(alice.client.pipeline()) as pipe:
        await done(pipe.watch("watched"))
        pipe.multi()
        pipe.set("k", "alice")
        assert await done(pipe.execute()) == [True]


def packs(*commands: tuple[Any, ...]) -> Dirty:
    """Send commands in one piece, and read all replies, those that are errors too."""

    async def dirty(alice: Borrower) -> None:
        async with alice.connection() as connection:
            await done(connection.send_packed_command(connection.pack_commands(commands)))
            for _command in commands:
                with suppress(redis.ResponseError):
                    await done(connection.read_response())

    return dirty


def is_refused(*commands: tuple[Any, ...], transaction: bool | None = None) -> Dirty:
    """Run commands that the server answers with an error."""
    work = does(*commands) if transaction is None else queues(*commands, transaction=transaction)

    async def dirty(alice: Borrower) -> None:
        try:
            await work(alice)
        except redis.ResponseError:
            return
        raise AssertionError("the server was expected to refuse that")

    return dirty


# -- where an exception of somebody else's strikes ---------------------------------------

Strike = Callable[[Any], object]


class _Struck:
    """A socket whose next `sendall` or receive is interrupted: in its middle, or at its end."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def sendall(self, data: bytes) -> None:
        self._sock.sendall(bytes(data)[:5])
        raise Interrupt

    def recv(self, *_args: Any) -> bytes:
        raise Interrupt

    def recv_into(self, *_args: Any) -> int:
        raise Interrupt


def before_the_read(_connection: Any, *_args: Any, **_options: Any) -> None:
    raise Interrupt


def in_recv(connection: Any) -> None:
    rebind(connection._parser, connection._sock, _Struck(connection._sock))
    connection.read_response()


def in_the_parser(connection: Any) -> None:
    read = connection._parser.read_response

    def struck(*args: Any, **kwargs: Any) -> None:
        del connection._parser.read_response
        read(*args, **kwargs)
        raise Interrupt

    connection._parser.read_response = struck
    connection.read_response()


def interrupted(strike: Strike, *args: Any) -> Dirty:
    """Send a command, and be struck instead of reading its reply."""

    async def dirty(alice: Borrower) -> None:
        with suppress(Interrupt):
            async with alice.connection() as connection:
                await done(connection.send_command(*args))
                strike(connection)

    return dirty


async def interrupted_in_send(alice: Borrower) -> None:
    with suppress(Interrupt):
        async with alice.connection() as connection:
            connection._sock = _Struck(connection._sock)
            connection.send_command("ECHO", SECRET)


def interrupted_client(use: Use) -> Dirty:
    """Use the client, and be struck before the first reply is read."""

    async def dirty(alice: Borrower) -> None:
        alice.client.parse_response = before_the_read
        with suppress(Interrupt):
            await done(use(alice.client))

    return dirty


async def interrupted_inner_client(alice: Borrower) -> None:
    async with entered(alice.client.client()) as inner:
        inner.parse_response = before_the_read
        with suppress(Interrupt):
            await done(inner.echo(SECRET))


def interrupted_pipeline(*commands: tuple[Any, ...], transaction: bool) -> Dirty:
    async def dirty(alice: Borrower) -> None:
        pipe = alice.client.pipeline(transaction=transaction)
        pipe.parse_response = before_the_read
        for command in commands:
            await done(pipe.execute_command(*command))
        with suppress(Interrupt):
            await done(pipe.execute())

    return dirty


async def interrupted_watch(alice: Borrower) -> None:
    pipe = alice.client.pipeline()
    pipe.parse_response = before_the_read
    with suppress(Interrupt):
        async with entered(pipe):
            await done(pipe.watch("watched"))


def cancelled(use: Use) -> Dirty:
    """Use the client in a task, which is cancelled between a command and its reply."""

    async def dirty(alice: Borrower) -> None:
        task = asyncio.ensure_future(done(use(alice.client)))
        while not task.done() and not is_owed_a_reply(alice.pool):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    return dirty


def is_owed_a_reply(pool: Any) -> bool:
    """Tell whether a borrower of our pool has sent a command, and not read the reply."""
    out = [slot.connection() for slot in pool._ledger.slots() if slot.connection is not None]
    return any(
        connection is not None and connection.pending and not connection.is_busy
        for connection in out
    )


def callback_raises(use: Use, error: type[BaseException]) -> Dirty:
    """Use the client with a response callback that raises."""

    def callback(_reply: object, **_options: object) -> None:
        raise error

    async def dirty(alice: Borrower) -> None:
        alice.client.set_response_callback("ECHO", callback)
        with suppress(error):
            await done(use(alice.client))

    return dirty


# -- what the next borrower sees ---------------------------------------------------------


async def own_reply(client: Any, _admin: redis.Redis) -> object:
    return await done(client.echo("mine"))


async def anything_else(client: Any, _admin: redis.Redis) -> object:
    seen = await done(client.echo("mine"))
    return seen if seen == b"mine" else "something else"


async def database(client: Any, _admin: redis.Redis) -> object:
    return (await done(client.client_info()))["db"]


async def name(client: Any, _admin: redis.Redis) -> object:
    return (await done(client.client_info()))["name"]


async def flags(client: Any, _admin: redis.Redis) -> object:
    return (await done(client.client_info()))["flags"]


async def user(client: Any, _admin: redis.Redis) -> object:
    return (await done(client.client_info()))["user"]


async def channels(client: Any, _admin: redis.Redis) -> object:
    info = await done(client.client_info())
    return int(info["sub"]) + int(info["psub"]) + int(info.get("ssub", 0))


async def transaction(client: Any, admin: redis.Redis) -> object:
    admin.set("watched", "changed")
    return await done(client.pipeline().set("mine", 1).execute())


async def mapping(client: Any, admin: redis.Redis) -> object:
    admin.hset("hash", "field", "value")
    return await done(client.hgetall("hash"))


async def script(client: Any, _admin: redis.Redis) -> object:
    reply = await done(client.eval("return 1", 0))
    return "a debugger's session" if isinstance(reply, list) else reply


async def imported_key(client: Any, _admin: redis.Redis) -> object:
    return await done(client.get("{06S}"))
