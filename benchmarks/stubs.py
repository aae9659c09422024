"""What stands in for a server where only the client's own work is to be measured."""

from __future__ import annotations

import re
import socket
from functools import cache
from typing import Any, Self

import redis
from psycopg.pq import TransactionStatus

__all__ = ["StubConnection", "StubDriver", "StubSocket"]

_HELLO = b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n"
_OK = b"+OK\r\n"
_FOUND = b"$5\r\nhello\r\n"

_COMMAND = re.compile(rb"(?:^|\r\n)\*\d+\r\n")


class StubSocket(socket.socket):
    """Answers every GET at once, from memory: sending and receiving are no system calls.

    A real socket by type and by descriptor: our pool guards a connection's replies only
    on one, and redis-py's polls its descriptor before each command. Both do here what they
    do in production. Whatever else is in the way, hiredis and redis-py's parser, is theirs.
    """

    def __init__(self) -> None:
        ours, _ = _quiet_pair()
        super().__init__(fileno=ours.dup().detach())
        self._answer = b""
        self._sendall: Any = self._shake_hands

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Take a command; what is answered was settled at the first GET."""
        if self._sendall is not None:
            self._sendall(data)

    def send(self, data: Any, flags: int = 0) -> int:
        """Take a command, all of it."""
        self.sendall(data)
        return len(data)

    def _shake_hands(self, data: bytes) -> None:
        if b"GET" in data:
            self._answer, self._sendall = _FOUND, None
        else:
            hello = b"HELLO" in data
            self._answer = _HELLO * hello + _OK * (len(_COMMAND.findall(data)) - hello)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive the answer."""
        size = len(self._answer)
        buffer[:size] = self._answer
        return size

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Receive the answer; for a look (MSG_PEEK), see that there is nothing to read."""
        return super().recv(bufsize, flags) if flags else self._answer

    def shutdown(self, how: int) -> None:
        """Do nothing: the other stubs share the socket below."""


@cache
def _quiet_pair() -> tuple[socket.socket, socket.socket]:
    """Return two ends on which nobody ever says anything."""
    return socket.socketpair()


class StubConnection(redis.Connection):
    """redis-py's connection on a `StubSocket`."""

    def _connect(self) -> StubSocket:
        return StubSocket()


class StubDriver:
    """What psycopg_pool asks of a connection to PostgreSQL, without one."""

    class pgconn:
        """The state of the session: no transaction."""

        transaction_status = TransactionStatus.IDLE

    @classmethod
    def connect(cls, *_args: Any, **_options: Any) -> Self:
        """Connect to nothing."""
        return cls()

    def close(self) -> None:
        """Close nothing."""
