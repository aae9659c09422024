"""The socket during a handshake: every step is cut to what is left of the deadline."""

from __future__ import annotations

import socket
from typing import Any

from ..deadline import Deadline

__all__ = ["HandshakeSocket", "rebind"]


class HandshakeSocket:
    """Stands in for a connection's socket until its handshake is over.

    A socket's timeout is per call, so a server that answers one byte at a time could
    hold a dial for ever. This one sets the timeout anew before each call, and raises
    `TimeoutError` when nothing is left. Only what redis-py's connections and parsers
    call in a handshake is here.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.plain = sock
        self._deadline = deadline
        self.heard: bool = False  # whether the last read brought something
        self.ever_heard: bool = False  # whether any did

    def _tighten(self) -> None:
        left = self._deadline.remaining()
        if left == 0.0:
            raise TimeoutError("the deadline passed during the handshake")
        configured = self.plain.gettimeout()
        if configured is None or configured > left:
            self.plain.settimeout(left)

    def sendall(self, data: Any) -> None:
        """Send all of `data`."""
        self.heard = False
        self._tighten()
        self.plain.sendall(data)

    def recv(self, size: int) -> bytes:
        """Receive at most `size` bytes."""
        self.heard = False  # a reset in place of an answer says nothing
        self._tighten()
        data = self.plain.recv(size)
        self._note(len(data))
        return data

    def recv_into(self, buffer: Any) -> int:
        """Receive into `buffer`; return the number of bytes."""
        self.heard = False
        self._tighten()
        size = self.plain.recv_into(buffer)
        self._note(size)
        return size

    def _note(self, size: int) -> None:
        self.heard = size > 0
        self.ever_heard = self.ever_heard or self.heard

    def settimeout(self, seconds: float | None) -> None:
        """Set the timeout of the next call, in seconds; it may be cut further."""
        self.plain.settimeout(seconds)

    def shutdown(self, how: int) -> None:
        """Shut the socket down."""
        self.plain.shutdown(how)

    def close(self) -> None:
        """Close the socket."""
        self.plain.close()

    def getpeername(self) -> Any:
        """Return the server's address."""
        return self.plain.getpeername()

    def getsockname(self) -> Any:
        """Return our own address."""
        return self.plain.getsockname()


def rebind(parser: Any, old: Any, new: Any) -> None:
    """Let a parser that reads from the socket `old` read from `new`.

    redis-py's parsers keep the socket that they were connected with: hiredis' in
    `_sock`, the Python ones also in their buffer (redis-py 6.4 to 8.1).
    """
    readers: list[Any] = [parser, getattr(parser, "_buffer", None)]
    for reader in readers:
        if getattr(reader, "_sock", None) is old:
            reader._sock = new
