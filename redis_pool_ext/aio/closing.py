"""Closing a socket at once, wherever that has to be done.

asyncio closes one in its loop's next round. But the loop may have no next round, it may run
in another thread, and in a fork's child it must not be touched at all: it watches its sockets
by means of a descriptor that the child shares with its parent.
"""

from __future__ import annotations

import asyncio
import os
import socket
from asyncio.selector_events import _SelectorTransport  # type: ignore[attr-defined]
from contextlib import suppress
from typing import Any

__all__ = ["close_at_once"]

# Writers of other loops (uvloop) that a child has from its parent: it must not so much as
# finalize them.
_inherited: list[Any] = []


class _Closed:
    """In the place of a writer's transport: its finalizer is to leave that alone."""

    def is_closing(self) -> bool:
        return True


def close_at_once(
    writer: Any, loop: asyncio.AbstractEventLoop | None, *, is_inherited: bool
) -> None:
    """Close what a `StreamWriter` of `loop` writes to; what is unsent is lost.

    Waits for nothing. Twice is fine. `is_inherited`: it is the parent's, before a fork.
    """
    transport = getattr(writer, "transport", None)
    if not hasattr(transport, "abort"):  # a fake's
        writer.close()
    elif is_inherited:
        _close_copy(writer)
    elif loop is None or not loop.is_running():
        _close_without_loop(writer, loop)
    elif asyncio._get_running_loop() is loop:
        _abort(transport)
    else:
        _ask_loop_to_close(writer, loop)


def _abort(transport: Any) -> None:
    """Close in the loop: it looks at the socket no more, and is told later that it is gone."""
    transport.abort()
    wrapped = transport.get_extra_info("socket")
    plain = getattr(wrapped, "_sock", None)
    if isinstance(plain, socket.socket):
        # Now, not in the next round: who takes this one's place may dial before that, and the
        # server would count one connection too many.
        plain.close()


def _ask_loop_to_close(writer: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Have it done in the thread where the loop runs."""
    try:
        loop.call_soon_threadsafe(_abort, writer.transport)
    except RuntimeError:  # it was closed in this moment
        _close_without_loop(writer, loop)
    else:
        writer._transport = _Closed()  # collected before the loop has done it, it would complain


def _close_without_loop(writer: Any, loop: asyncio.AbstractEventLoop | None) -> None:
    """Do what the loop would have done in its next round."""
    plain = _under_tls(writer.transport)
    if isinstance(plain, _SelectorTransport):
        if loop is not None and not loop.is_closed():
            loop._remove_reader(plain._sock_fd)  # type: ignore[attr-defined]
            loop._remove_writer(plain._sock_fd)  # type: ignore[attr-defined]
        _close_plain(plain)
        return
    with suppress(RuntimeError):
        _abort(writer.transport)
    if loop is not None and loop.is_closed():  # other loops close their sockets as they close
        writer._transport = _Closed()


def _close_copy(writer: Any) -> None:
    """Close the child's copy of a socket; neither the loop nor the parent notices."""
    plain = _under_tls(writer.transport)
    if isinstance(plain, _SelectorTransport):
        _close_plain(plain)
        return
    wrapped = writer.get_extra_info("socket")
    if wrapped is None:
        return
    _inherited.append(writer)
    # Its owner, in C, believes that it has the descriptor: it shall have a harmless one.
    null = os.open(os.devnull, os.O_RDWR)
    try:
        os.dup2(null, wrapped.fileno(), inheritable=False)
    finally:
        os.close(null)


def _close_plain(plain: Any) -> None:
    """Close asyncio's own transport, and leave nothing of it that complains when collected."""
    if plain._sock is None:
        return
    plain._closing = True
    if plain._conn_lost:  # the loop was about to do the rest
        plain._sock.close()
        return
    plain._conn_lost += 1
    with suppress(RuntimeError):  # readers are to be woken, and a closed loop can wake nobody
        plain._call_connection_lost(None)


def _under_tls(transport: Any) -> Any:
    """Return the transport that has the socket."""
    protocol = getattr(transport, "_ssl_protocol", None)
    return getattr(protocol, "_transport", None) or transport
