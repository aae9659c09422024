# mypy: disable-error-code="no-untyped-call"
"""The short way of a task's command: one write, one wait, one reply taken from the parser.

As in the twin for threads, only what is ordinary goes this way; what turns out not to be is
put back where it was met, for redis-py's own `read_response()` to come upon it. And a reply
has a time limit that costs next to nothing: a single timer per connection, which looks
whether the reply that is waited for by then is late.
"""

from __future__ import annotations

import asyncio
import codecs
import weakref
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from redis._parsers import Encoder
from redis.asyncio.connection import AbstractConnection

from ..wire.express import ORDINARY, PutBack
from ..wire.spending import SLACK

try:
    from redis._parsers.hiredis import _AsyncHiredisParser
except ImportError:  # no hiredis
    _AsyncHiredisParser = None  # type: ignore[assignment,misc]

if TYPE_CHECKING:
    from .connection import GuardedAsyncConnection

__all__ = [
    "LONGEST",
    "AsyncLane",
    "exchange",
    "is_redis_pys_own_async",
    "lane_of_async",
    "see_that_it_rings",
]

# Bytes. A longer command may have to wait until the ones before it are sent.
LONGEST = 65536

# Bytes that are read at once, as in redis-py.
_SIZE = 65536

# With one of these overridden, a connection class wants to see what is sent or read.
_REDIS_PYS_OWN = tuple(
    name
    for name in (
        "send_command",
        "send_packed_command",
        "_send_packed_command",
        "pack_command",
        "read_response",
        "_read_response_from_parser",  # since redis-py 8
        "check_health",
    )
    if hasattr(AbstractConnection, name)
)


class AsyncLane(NamedTuple):
    """What an open connection's commands call, looked up once. Nothing of it refers to it."""

    write: Callable[[bytes], None]
    unsent: Callable[[], int]
    stream: asyncio.StreamReader
    feed: Callable[[bytes], None]
    take: Callable[[], Any]

    def has_room_for(self, packed: bytes) -> bool:
        """Tell whether a command can be written without waiting until there is room."""
        return len(packed) <= LONGEST and not self.unsent()


def is_redis_pys_own_async(connection_class: type[Any]) -> bool:
    """Tell whether all that is sent and read is redis-py's own affair in this class."""
    return all(
        getattr(connection_class, name, None) is getattr(AbstractConnection, name)
        for name in _REDIS_PYS_OWN
    )


def lane_of_async(connection: GuardedAsyncConnection) -> AsyncLane | None:
    """Return the short way of an open connection; None where it has none."""
    parser: Any = connection._parser
    stream, writer = connection._reader, connection._writer
    if (
        type(parser) is not _AsyncHiredisParser
        or not _is_plain(connection.encoder)
        or type(stream) is not asyncio.StreamReader
        or type(writer) is not asyncio.StreamWriter
        or connection.health_check_interval
    ):
        return None
    transport: Any = writer.transport
    reader: Any = parser._reader
    return AsyncLane(
        transport.write, transport.get_write_buffer_size, stream, reader.feed, reader.gets
    )


def _is_plain(encoder: Any) -> bool:
    """Tell whether commands are encoded as `packing` does it."""
    return (
        type(encoder) is Encoder
        and encoder.encoding_errors == "strict"
        and codecs.lookup(encoder.encoding).name == "utf-8"
    )


async def exchange(
    connection: GuardedAsyncConnection,
    lane: AsyncLane,
    packed: bytes,
    within: float | None = None,
) -> Any:
    """Send an ordinary command, and return its reply. Raises what redis-py does.

    It is late after `within` seconds (None: after the connection's `socket_timeout`).
    The caller has seen that `lane.has_room_for(packed)`, and has set `connection.pending`:
    until the reply is in hand something is owed. Who is cancelled leaves a closed connection.
    """
    began = _send(connection, lane, packed, within)
    try:
        data = await lane.stream.read(_SIZE)
    except OSError:
        data = b""  # as at the end of the stream: redis-py's read will meet it again
    except BaseException:
        connection.abandon()
        raise
    finally:
        connection.reply_by = 0.0
    try:
        lane.feed(data)
        response = lane.take()
    except BaseException:
        connection.break_off()
        raise
    kind = type(response)
    if kind in ORDINARY or (kind is list and not (response and isinstance(response[0], Exception))):
        connection.pending = 0
        return response
    parser: Any = connection._parser
    parser._reader = PutBack(parser, response)
    del response  # an error's traceback will refer to this frame: that were a cycle
    return await connection.read_on(began)


def _send(
    connection: GuardedAsyncConnection, lane: AsyncLane, packed: bytes, within: float | None
) -> float:
    """Write a command, and see that somebody looks at the clock; return when it was."""
    try:
        lane.write(packed)
    except Exception as error:  # asyncio's transports raise nothing, others what they like
        connection.fail_to_send(error)
    began = monotonic()
    limit = connection._socket_timeout if within is None else within
    if limit is not None:
        connection.reply_by = began + limit
        if connection.alarm is None:
            _set_alarm(connection, limit)
    return began


# -- the time limit ------------------------------------------------------------------------


def _set_alarm(connection: GuardedAsyncConnection, seconds: float) -> None:
    loop = connection._loop
    assert loop is not None
    # Weak: a dropped connection is not to live until its timer has run out.
    connection.alarm = loop.call_later(seconds, _ring, weakref.ref(connection))


def see_that_it_rings(connection: GuardedAsyncConnection, seconds: float) -> None:
    """Have no timer that would look much later than after so many seconds."""
    alarm, loop = connection.alarm, connection._loop
    if alarm is not None and loop is not None and alarm.when() > loop.time() + seconds + SLACK:
        alarm.cancel()
        connection.alarm = None


def _ring(ref: weakref.ref[GuardedAsyncConnection]) -> None:
    """Give up a reply that is late; look again when the one waited for by now will be."""
    connection = ref()
    if connection is None:
        return
    connection.alarm = None
    stream: Any = connection._reader
    if not connection.reply_by or stream is None:
        return
    left = connection.reply_by - monotonic()
    if left > 0.0:
        _set_alarm(connection, left)
    elif not stream._buffer:  # else it has come, and its reader is about to wake up
        stream.set_exception(TimeoutError("the reply did not come in time"))
