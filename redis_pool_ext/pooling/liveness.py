"""Whether a connection is good for another command: a look, and a question."""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import suppress
from types import BuiltinFunctionType
from typing import Any

import redis

from ..connecting.handshake import HandshakeSocket
from ..connection import GuardedConnection
from ..deadline import Deadline

__all__ = ["answers", "has_data", "is_quiet", "looks_alive"]


def looks_alive(connection: GuardedConnection) -> bool:
    """Look at the socket, without a round trip: still open, and nothing to read.

    Data nobody asked for counts as dead: it would answer the next command.
    """
    sock = connection._sock
    if sock is None:
        return False
    connection.is_looked_at = True  # its timeout may be off: nothing for a signal handler now
    try:
        if type(sock) is socket.socket:
            return _is_open_and_quiet(sock, connection.socket_timeout)
        if isinstance(sock, ssl.SSLSocket):
            return _is_open_and_quiet_under_tls(connection, sock)
        return _looks_alive_to_parser(connection)
    finally:
        connection.is_looked_at = False


def _is_open_and_quiet(sock: socket.socket, timeout: float | None) -> bool:
    quiet = is_quiet(sock)
    return _is_open_and_quiet_by_recv(sock, timeout) if quiet is None else quiet


def is_quiet(sock: Any) -> bool | None:
    """Look by poll() whether a socket is open, with nothing to read; None where there is none.

    gevent's is none, either: it would switch greenlets.
    """
    poll = getattr(select, "poll", None)
    if not isinstance(poll, BuiltinFunctionType):
        return None
    try:
        poller = poll()
        poller.register(sock, select.POLLIN)  # an end or an error is told unasked
        return not poller.poll(0)
    except (OSError, ValueError):  # closed on our side
        return False


def is_at_its_end(sock: Any) -> bool:
    """Look by poll() whether the other side has closed, whatever there is to read before that.

    False where that cannot be told.
    """
    poll, hang_up = getattr(select, "poll", None), getattr(select, "POLLRDHUP", 0)
    if not isinstance(poll, BuiltinFunctionType) or not hang_up:  # it is Linux that tells
        return False
    try:
        poller = poll()
        poller.register(sock, hang_up)  # an error is told unasked
        return bool(poller.poll(0))
    except (OSError, ValueError):  # closed on our side
        return True


def _is_open_and_quiet_by_recv(sock: socket.socket, timeout: float | None) -> bool:
    """Look where there is no poll()."""
    try:
        # A socket with a timeout waits in recv(); MSG_DONTWAIT does not go past Python's
        # own wait, so the timeout is taken off for the look.
        sock.setblocking(False)
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    finally:  # also when a look is interrupted: a lease keeps its connection
        with suppress(OSError):
            sock.settimeout(timeout)
    return False


def _is_open_and_quiet_under_tls(connection: GuardedConnection, sock: ssl.SSLSocket) -> bool:
    """Look through TLS: what there is to read may be its own.

    A server of TLS 1.3 sends a ticket after the handshake, or a new key when it likes; the
    look takes these. Data would be taken, too: what has some is closed.
    """
    if sock.pending() or has_data(connection._parser):
        return False
    if is_quiet(sock):
        return True
    try:
        sock.setblocking(False)
        sock.recv(1)
    except ssl.SSLWantReadError:
        return True
    except (OSError, ValueError):  # an end without a word, or closed on our side
        pass
    finally:
        with suppress(OSError, ValueError):
            sock.settimeout(connection.socket_timeout)
    return False


def has_data(parser: Any) -> bool:
    """Tell whether a parser has data that came with the last reply."""
    reader = getattr(parser, "_reader", None)
    if reader is not None:  # hiredis'
        return bool(reader.has_data())
    buffer = getattr(parser, "_buffer", None)
    if isinstance(buffer, bytes):  # of the Python ones, for tasks
        return parser._pos < len(buffer)  # type: ignore[no-any-return]
    return buffer is not None and bool(buffer.unread_bytes())


def _looks_alive_to_parser(connection: GuardedConnection) -> bool:
    """Ask redis-py's parser: a stub or fake has no socket."""
    try:
        return not connection.can_read(0)
    except (redis.RedisError, OSError):
        return False


def answers(connection: GuardedConnection, deadline: Deadline) -> bool:
    """Ask the server with a PING, before `deadline`: a socket can be open and deaf."""
    plain = connection._sock
    if not isinstance(plain, socket.socket):
        return True  # in the process: nothing between us to have failed
    try:
        connection.use_socket(HandshakeSocket(plain, deadline))
        connection.send_command("PING", check_health=False)
        connection.read_response()
    except redis.ResponseError:
        pass  # it refuses PING (an ACL, no master), and that is an answer
    except (redis.RedisError, OSError):
        return False
    connection.last = None  # the question was ours, not its holder's
    if connection.is_connected:
        connection.use_socket(plain)
        plain.settimeout(connection.socket_timeout)
    return True
