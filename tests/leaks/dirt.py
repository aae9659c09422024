"""What first borrowers do, and what next borrowers look at: the verbs of the table."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import redis

from redis_pool_ext.handshake import rebind
from redis_pool_ext.liveness import looks_alive
from tests.support.threads import wait_until

from .borrowers import Borrower

Dirty = Callable[[Borrower], object]
Probe = Callable[[redis.Redis, redis.Redis], Any]

SECRET = b"ALICE-SECRET"
RETURN_SECRET = f"return '{SECRET.decode()}'"
SELECT_BYTES = b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"


class Interrupt(BaseException):
    """What a gevent.Timeout, a worker's time limit or Ctrl-C looks like."""


# -- what the first borrower does ------------------------------------------------------


def does(*commands: tuple[Any, ...]) -> Dirty:
    """Run commands one by one, each with its reply read."""

    def dirty(alice: Borrower) -> None:
        for command in commands:
            alice.do(*command)

    return dirty


def queues(*commands: tuple[Any, ...], transaction: bool) -> Dirty:
    """Run commands in one pipeline."""

    def dirty(alice: Borrower) -> None:
        pipe = alice.client.pipeline(transaction=transaction)
        for command in commands:
            pipe.execute_command(*command)
        pipe.execute()

    return dirty


def sends(*args: Any) -> Dirty:
    """Send a command and read nothing."""

    def dirty(alice: Borrower) -> None:
        with alice.connection() as connection:
            connection.send_command(*args)

    return dirty


def subscribes(*args: Any) -> Dirty:
    """Send a command whose answer is a push, and read that."""

    def dirty(alice: Borrower) -> None:
        with alice.connection() as connection:
            connection.send_command(*args)
            connection.read_response(push_request=True)

    return dirty


def sends_bytes(alice: Borrower) -> None:
    with alice.connection() as connection:
        connection.send_packed_command([SELECT_BYTES])
        connection.read_response()


def sends_bytes_after_packing(alice: Borrower) -> None:
    with alice.connection() as connection:
        connection.pack_command("PING")  # and never sent
        connection.send_packed_command([SELECT_BYTES])
        connection.read_response()


def sends_two_commands_as_bytes(alice: Borrower) -> None:
    with alice.connection() as connection:
        connection.send_packed_command([b"PING\r\nECHO " + SECRET + b"\r\n"])
        connection.read_response()


def quits(alice: Borrower) -> None:
    with alice.connection() as connection:
        connection.send_command("QUIT")
        connection.read_response()
        wait_until(lambda: not looks_alive(connection))


def pins(alice: Borrower) -> None:
    """Use the client's own pinned client."""
    with alice.client.client() as inner:
        inner.execute_command("SELECT 3")


def evaluates(script: str) -> Dirty:
    return lambda alice: alice.do("EVAL", script, 0)


def listens(alice: Borrower) -> None:
    pubsub = alice.client.pubsub()
    pubsub.subscribe("news")
    assert pubsub.get_message(timeout=5)["type"] == "subscribe"
    pubsub.close()


def monitors(alice: Borrower) -> None:
    with alice.client.monitor():
        pass


def abandons_a_watch(alice: Borrower) -> None:
    pipe = alice.client.pipeline()
    pipe.watch("watched")
    pipe.multi()
    pipe.set("k", "alice")
    pipe.reset()


def locks(alice: Borrower) -> None:
    with new_lock(alice.client):
        pass


def new_lock(client: redis.Redis) -> Any:
    return client.lock(f"lock {next(_numbers)}", timeout=30)


_numbers = count()


def transacts(alice: Borrower) -> None:
    with alice.client.pipeline() as pipe:
        pipe.watch("watched")
        pipe.multi()
        pipe.set("k", "alice")
        assert pipe.execute() == [True]


def packs(*commands: tuple[Any, ...]) -> Dirty:
    """Send commands in one piece, and read all replies, those that are errors too."""

    def dirty(alice: Borrower) -> None:
        with alice.connection() as connection:
            connection.send_packed_command(connection.pack_commands(commands))
            for _command in commands:
                with suppress(redis.ResponseError):
                    connection.read_response()

    return dirty


def is_refused(*commands: tuple[Any, ...], transaction: bool | None = None) -> Dirty:
    """Run commands that the server answers with an error."""
    run = does(*commands) if transaction is None else queues(*commands, transaction=transaction)

    def dirty(alice: Borrower) -> None:
        try:
            run(alice)
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

    def dirty(alice: Borrower) -> None:
        with suppress(Interrupt), alice.connection() as connection:
            connection.send_command(*args)
            strike(connection)

    return dirty


def interrupted_in_send(alice: Borrower) -> None:
    with suppress(Interrupt), alice.connection() as connection:
        connection._sock = _Struck(connection._sock)
        connection.send_command("ECHO", SECRET)


def interrupted_client(use: Callable[[redis.Redis], object]) -> Dirty:
    """Use the client, and be struck before the first reply is read."""

    def dirty(alice: Borrower) -> None:
        alice.client.parse_response = before_the_read
        with suppress(Interrupt):
            use(alice.client)

    return dirty


def interrupted_inner_client(alice: Borrower) -> None:
    with alice.client.client() as inner:
        inner.parse_response = before_the_read
        with suppress(Interrupt):
            inner.echo(SECRET)


def interrupted_pipeline(*commands: tuple[Any, ...], transaction: bool) -> Dirty:
    def dirty(alice: Borrower) -> None:
        pipe = alice.client.pipeline(transaction=transaction)
        pipe.parse_response = before_the_read
        for command in commands:
            pipe.execute_command(*command)
        with suppress(Interrupt):
            pipe.execute()

    return dirty


def interrupted_watch(alice: Borrower) -> None:
    pipe = alice.client.pipeline()
    pipe.parse_response = before_the_read
    with suppress(Interrupt), pipe:
        pipe.watch("watched")


def callback_raises(use: Callable[[redis.Redis], object], error: type[BaseException]) -> Dirty:
    """Use the client with a response callback that raises."""

    def callback(_reply: object, **_options: object) -> None:
        raise error

    def dirty(alice: Borrower) -> None:
        alice.client.set_response_callback("ECHO", callback)
        with suppress(error):
            use(alice.client)

    return dirty


# -- what the next borrower sees ---------------------------------------------------------


def own_reply(client: redis.Redis, _admin: redis.Redis) -> object:
    return client.echo("mine")


def anything_else(client: redis.Redis, _admin: redis.Redis) -> object:
    seen = client.echo("mine")
    return seen if seen == b"mine" else "something else"


def database(client: redis.Redis, _admin: redis.Redis) -> object:
    return client.client_info()["db"]


def name(client: redis.Redis, _admin: redis.Redis) -> object:
    return client.client_info()["name"]


def flags(client: redis.Redis, _admin: redis.Redis) -> object:
    return client.client_info()["flags"]


def user(client: redis.Redis, _admin: redis.Redis) -> object:
    return client.client_info()["user"]


def channels(client: redis.Redis, _admin: redis.Redis) -> object:
    info = client.client_info()
    return int(info["sub"]) + int(info["psub"]) + int(info.get("ssub", 0))


def transaction(client: redis.Redis, admin: redis.Redis) -> object:
    admin.set("watched", "changed")
    return client.pipeline().set("mine", 1).execute()


def mapping(client: redis.Redis, admin: redis.Redis) -> object:
    admin.hset("hash", "field", "value")
    return client.hgetall("hash")


def script(client: redis.Redis, _admin: redis.Redis) -> object:
    reply = client.eval("return 1", 0)
    return "a debugger's session" if isinstance(reply, list) else reply


def imported_key(client: redis.Redis, _admin: redis.Redis) -> object:
    return client.get("{06S}")
