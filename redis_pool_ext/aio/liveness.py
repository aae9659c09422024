"""Whether a connection of tasks is good for another command: a look, and a question."""

from __future__ import annotations

import asyncio
from typing import Any

import redis

from ..deadline import Deadline
from ..pooling.liveness import has_data, is_at_its_end, is_quiet
from .connection import GuardedAsyncConnection

__all__ = ["answers", "is_alive", "looks_alive"]

# A loop reads what has come in the turn after the one that finds it.
TURNS_TO_READ = 3


def looks_alive(connection: GuardedAsyncConnection) -> bool:
    """Look at the socket, without a round trip: still open, and nothing to read.

    Data nobody asked for counts as dead: it would answer the next command.
    """
    writer, stream = connection._writer, connection._reader
    if not connection.is_connected:
        return False
    if not isinstance(writer, asyncio.StreamWriter) or not isinstance(stream, asyncio.StreamReader):
        return _looks_alive_to_fake(stream)
    if writer.is_closing() or stream.at_eof():
        return False
    if stream._buffer or has_data(connection._parser):  # type: ignore[attr-defined]
        return False
    sock = writer.get_extra_info("socket")
    if writer.get_extra_info("ssl_object") is not None:
        return not is_at_its_end(sock)  # what can be read there may be for TLS itself
    return is_quiet(sock) is not False


async def is_alive(connection: GuardedAsyncConnection) -> bool:
    """Look as `looks_alive` does; where only TLS can tell what has come, let the loop read it.

    A server of TLS 1.3 sends tickets and new keys when it likes.
    """
    writer = connection._writer
    if not looks_alive(connection):
        return False
    if not isinstance(writer, asyncio.StreamWriter) or not writer.get_extra_info("ssl_object"):
        return True
    if is_quiet(writer.get_extra_info("socket")) is not False:
        return True
    for _ in range(TURNS_TO_READ):
        await asyncio.sleep(0)
    return looks_alive(connection)


def _looks_alive_to_fake(stream: Any) -> bool:
    """Ask what there is in the place of a stream; nothing is: it is for ever alive."""
    at_eof = getattr(stream, "at_eof", None)
    return at_eof is None or not at_eof()


async def answers(connection: GuardedAsyncConnection, deadline: Deadline) -> bool:
    """Ask the server with a PING, before `deadline`: a socket can be open and deaf.

    Whoever is cancelled meanwhile leaves a closed connection.
    """
    if not isinstance(connection._writer, asyncio.StreamWriter):
        return True  # in the process: nothing between us to have failed
    try:
        async with asyncio.timeout(deadline.remaining()):
            await connection.send_command("PING", check_health=False)
            await connection.read_response()
    except redis.ResponseError:
        pass  # it refuses PING (an ACL, no master), and that is an answer
    except (redis.RedisError, OSError):
        return False
    connection.last = None  # the question was ours, not its holder's
    return True
