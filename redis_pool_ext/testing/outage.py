"""`redis_down`: no dial reaches the server, and whoever is connected has lost it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ..pooling.base import PoolBase
from .blocks import block
from .chosen import each_pool
from .tapping import connections_of, tapping
from .taps import TapOfAlias

__all__ = ["redis_down"]


@block
def redis_down(alias: str = "default") -> Iterator[None]:
    """Have the server of `alias` gone, for all pools of that name in this process.

    Dials are refused (`PoolUnavailableError`; after some, at once, as the circuit is open).
    Idle connections close; one that is in use is cut, and what its holder had set up on it
    is lost. The server itself goes on: nobody else notices. Afterwards the circuit is closed,
    and the next caller dials.
    """
    down = _Down(alias)
    with tapping(down), each_pool(alias, down.begin, "redis_down"):
        try:
            yield
        finally:
            down.end()


class _Down(TapOfAlias):
    def __init__(self, alias: str) -> None:
        super().__init__(alias)
        self._pools: list[PoolBase] = []

    def dials(self) -> None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    def writes(self) -> OSError:
        return ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    def is_at_end(self) -> bool:
        return True

    def begin(self, pool: PoolBase) -> None:
        self._pools.append(pool)
        pool._at_home(pool.drain)
        for connection in connections_of(pool):
            connection.leave()  # its holder's next command goes elsewhere: to a dial, in vain
            _hang_up(connection)

    def end(self) -> None:
        for pool in self._pools:
            with pool._lock:
                pool._ledger.circuit.succeeded()


def _hang_up(connection: Any) -> None:
    """Shut the socket down, so that whoever waits for a reply there sees its end."""
    sock = _socket_of(connection)
    if sock is None:
        return
    # By a copy of the descriptor: TLS and other event loops have a shutdown() of their own.
    with suppress(OSError), socket.socket(fileno=os.dup(sock.fileno())) as copy:
        copy.shutdown(socket.SHUT_RDWR)


def _socket_of(connection: Any) -> Any:
    """Return the socket of a connection of threads or of tasks; None where there is none."""
    sock = getattr(connection._sock, "plain", connection._sock)  # in the middle of a handshake
    if isinstance(sock, socket.socket):
        return sock
    tell = getattr(getattr(connection, "_writer", None), "get_extra_info", None)
    return None if tell is None else tell("socket")  # None in a fake
