"""What a parser reads from: a reply that trickles in does not take for ever."""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar

from ..budget import Budget

__all__ = ["ReplySocket"]

T = TypeVar("T")

# Bytes of a reply that have the socket's timeout as a whole. A large reply that makes
# progress has it again for each such part, and is not cut for being large.
PART = 65536

# Seconds. As long as no more have passed, the timeout is left as it is: setting it is a
# system call, and nearly every reply is there by then.
GRACE = 0.05


class ReplySocket:
    """Stands between a parser and its socket, which times out per call.

    One byte now and then would hold a command for ever. The first read of a reply goes
    straight through; each further one gets what the first has left of the timeout.
    `is_first` is to be set before each reply. Only what redis-py's parsers call is here.
    With a `budget`, a reply that makes progress does not outlast that either.
    """

    __slots__ = (
        "_began",
        "_error",
        "_got",
        "_plain",
        "_recv_into",
        "budget",
        "is_first",
        "pending",
    )

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self._recv_into = plain.recv_into
        self._began = 0.0
        self._got = 0
        self._error: OSError | None = None
        self.is_first: bool = True
        self.budget: Budget | None = None
        pending: Callable[[], int] | None = getattr(plain, "pending", None)
        if pending is not None:  # TLS, and the parser asks whether it is there
            self.pending: Callable[[], int] = pending

    def recv_into(self, buffer: Any) -> int:
        """Receive into `buffer`; return the number of bytes."""
        if self.is_first:
            self.is_first = False
            self._began = monotonic()
            return self._recv_into(buffer)
        size = self._in_time(self._recv_into, buffer)
        self._count(size)
        return size

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive at most `size` bytes."""
        if flags:  # a look, that takes nothing
            return self._plain.recv(size, flags)
        if self.is_first:
            self.is_first = False
            self._began = monotonic()
            return self._plain.recv(size)
        data = self._in_time(self._plain.recv, size)
        self._count(len(data))
        return data

    def go_on(self, began: float, error: OSError | None) -> None:
        """Take over from somebody who did the first read at `began`, and met `error`."""
        self.is_first = False
        self._began = began
        self._got = 0
        self._error = error

    def _in_time(self, read: Callable[[Any], T], argument: Any) -> T:
        if self._error is not None:
            error, self._error = self._error, None
            try:
                raise error
            finally:
                del error  # its traceback refers to this frame: a cycle, with all callers in it
        limit = self._plain.gettimeout()
        if not limit:  # for ever, or not at all
            return read(argument)
        left = self._began + limit - monotonic()
        if self.budget is not None:
            left = min(left, self.budget.left())
        if left >= limit - GRACE:
            return read(argument)
        if left <= 0:
            raise TimeoutError("the reply did not come to its end in time")
        self._plain.settimeout(left)
        try:
            return read(argument)
        finally:
            self._plain.settimeout(limit)

    def _count(self, size: int) -> None:
        self._got += size
        if self._got >= PART:
            self._got = 0
            self._began = monotonic()

    def settimeout(self, seconds: float | None) -> None:
        """Set the timeout of the reads to come."""
        self._plain.settimeout(seconds)

    def fileno(self) -> int:
        """Return the descriptor, for poll()."""
        return self._plain.fileno()
