"""One connection of tasks and its other end, in the test's own hand and event loop."""

from __future__ import annotations

import asyncio
import socket
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import redis.asyncio

from redis_pool_ext.aio.connection import GuardedAsyncConnection, guarded_async
from redis_pool_ext.books.records import Slot
from redis_pool_ext.deadline import Deadline
from redis_pool_ext.stats import Tally

from ..support.proxy import RESET_ON_CLOSE
from .tasks import wait_until


class Home:
    """All that a connection asks of its pool."""

    def __init__(self) -> None:
        self.dials = 0

    async def reconnect(self, connection: GuardedAsyncConnection) -> None:
        self.dials += 1
        await connection.open(Deadline(5))


HOME = Home()


def make(connection_class: type[Any] = redis.asyncio.Connection, **kwargs: Any) -> Any:
    """Return a guarded connection that somebody holds, and that is not open yet."""
    connection = guarded_async(connection_class)(**kwargs)
    connection.home, connection.slot = weakref.ref(HOME), Slot(1, time.monotonic(), Tally())
    return connection


async def open_to(port: int, **kwargs: Any) -> Any:
    """Return an open connection to a port of this machine."""
    connection = make(host="127.0.0.1", port=port, **kwargs)
    await connection.open(Deadline(5))
    return connection


async def ask(connection: Any, *args: Any) -> Any:
    await connection.send_command(*args)
    return await connection.read_response()


@asynccontextmanager
async def serving(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]],
) -> AsyncIterator[int]:
    """Let `serve` answer whoever connects to the port; nothing of it is left afterwards."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await serve(reader, writer)

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            for writer in writers:
                writer.transport.abort()


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.heard = b""
        self.has_ended = False
        self._task = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        with suppress(OSError):
            while data := await self._reader.read(1 << 20):
                self.heard += data
        self.has_ended = True

    def say(self, data: bytes) -> None:
        self._writer.write(data)

    def close(self) -> None:
        """End the connection in order: a FIN, and no reset."""
        self._writer.close()

    def reset(self) -> None:
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._writer.transport.abort()

    async def hears(self, data: bytes) -> None:
        """Wait until something was said here, and forget it."""
        await wait_until(lambda: data in self.heard)
        self.heard = b""

    async def end(self) -> None:
        self._writer.transport.abort()
        await self._task


class Scene:
    """A connection without a handshake, and who is at its other end: `peer`, the newest.

    `greeting` is said on each connection that is dialled, before its first command.
    """

    def __init__(self, *, greeting: bytes = b"", **kwargs: Any) -> None:
        self.greeting = greeting
        self._kwargs = kwargs
        self.peers: list[Peer] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.connection = await open_to(self.port, redis_connect_func=_no_handshake, **self._kwargs)
        await wait_until(lambda: bool(self.peers))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.connection.retire()
        self._server.close()
        for peer in self.peers:
            await peer.end()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.greeting)
        self.peers.append(Peer(reader, writer))

    @property
    def peer(self) -> Peer:
        return self.peers[-1]


def _no_handshake(connection: Any) -> None:
    connection._parser.on_connect(connection)
