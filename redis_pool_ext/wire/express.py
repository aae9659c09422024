# mypy: disable-error-code="no-untyped-call"
"""The short way of a command: one send, one receive, one reply taken from the parser.

redis-py's way is a dozen calls, of which an ordinary exchange needs three, each into C.
Only what is ordinary goes the short way. Whatever turns out not to be (a push message, an
error, half a reply, a socket that fails) is put back where it was met, and the connection's
own `read_response()` comes upon it there: what it means is told in one place, redis-py's.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import monotonic
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import redis
import redis.client
from redis.connection import AbstractConnection

from .packing import NumbersAsText

try:
    from redis._parsers.hiredis import _HiredisParser
except ImportError:  # no hiredis
    _HiredisParser = None  # type: ignore[assignment,misc]

recorder: Any
get_observability_instance: Any
try:
    from redis.observability import get_observability_instance, recorder
except ImportError:  # redis-py before 7.1
    recorder = get_observability_instance = None

if TYPE_CHECKING:
    from ..connection import GuardedConnection

__all__ = [
    "MISSED",
    "ORDINARY",
    "Lane",
    "PutBack",
    "exchange",
    "is_recording",
    "is_redis_pys_own",
    "is_watched",
    "lane_of",
]

# What a parser returns for most replies. A list is looked into; other types (errors, push
# messages, which are lists of their own type, "not enough data") are put back.
ORDINARY = frozenset((bytes, str, int, type(None), bool, float, dict, set))

# Returned in place of a reply by what did not take the short way.
MISSED: Any = object()

# With one of these overridden, a connection class wants to see what is sent or read.
_REDIS_PYS_OWN = (
    "send_command",
    "send_packed_command",
    "pack_command",
    "read_response",
    "check_health",
)


class Lane(NamedTuple):
    """An open connection's calls into C, looked up once. None of them refers to it."""

    send: Callable[[bytes], None]
    receive: Callable[[Any], int]
    buffer: bytearray
    feed: Callable[[Any, int, int], None]
    take: Callable[[], Any]


def is_redis_pys_own(connection_class: type[Any]) -> bool:
    """Tell whether all that is sent and read is redis-py's own affair in this class."""
    return all(
        getattr(connection_class, name, None) is getattr(AbstractConnection, name)
        for name in _REDIS_PYS_OWN
    )


def _is_in_redis_py(function: Any) -> bool:
    return type(function) is FunctionType and function.__code__.co_filename == redis.client.__file__


# None: somebody had wrapped it before we came.
_PARSE = redis.Redis.parse_response if _is_in_redis_py(redis.Redis.parse_response) else None


def is_watched() -> bool:
    """Tell whether somebody wants to see each step of a command; asked for each command."""
    return redis.Redis.parse_response is not _PARSE or (
        recorder is not None and recorder._metrics_collector is not None
    )


def is_recording() -> bool:
    """Tell whether redis-py's telemetry is on, if nothing was recorded yet."""
    return recorder is not None and get_observability_instance().is_enabled()


def lane_of(connection: GuardedConnection) -> Lane | None:
    """Return the short way of an open connection; None where it has none."""
    parser: Any = connection._parser
    if (
        type(parser) is not _HiredisParser
        or type(connection._command_packer) is not NumbersAsText
        or connection._replies is None
        or not isinstance(connection._sock, socket.socket)
        or connection.health_check_interval
    ):
        return None
    sock, reader = connection._sock, parser._reader
    return Lane(sock.sendall, sock.recv_into, parser._buffer, reader.feed, reader.gets)


def exchange(connection: GuardedConnection, lane: Lane, packed: bytes) -> Any:
    """Send an ordinary command, and return its reply. Raises what redis-py does.

    The caller has set `connection.pending`, in one step with its look at the connection: what
    interrupts this call finds something owed, until the reply is in hand, and leaves it so.
    """
    send, receive, buffer, feed, take = lane
    try:
        send(packed)
    except BaseException as error:
        connection.fail_to_send(error)
    began = monotonic()
    try:
        try:
            size = receive(buffer)
        except OSError as error:
            return connection.read_on(began, error)
        feed(buffer, 0, size)
        response = take()
    except BaseException:
        connection.break_off()
        raise
    kind = type(response)
    if kind in ORDINARY or (kind is list and not (response and _is_error(response[0]))):
        connection.pending = 0
        return response
    connection._parser._reader = PutBack(connection._parser, response)
    del response  # an error's traceback will refer to this frame: that were a cycle
    return connection.read_on(began)


def _is_error(item: Any) -> bool:
    return isinstance(item, Exception)


class PutBack:
    """A parser's reader from which a reply was taken that is to be met again."""

    def __init__(self, parser: Any, reply: Any) -> None:
        self._parser, self._reader = parser, parser._reader
        self._reply = reply

    def gets(self, *args: Any) -> Any:
        """Return what was put back, and step aside."""
        if self._parser._reader is not self:  # a parser may hold on to what it began with
            return self._reader.gets(*args)
        self._parser._reader = self._reader
        return self._reply
