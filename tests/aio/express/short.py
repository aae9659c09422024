"""An exchange on the short way of tasks, as a lease has it."""

from __future__ import annotations

from typing import Any

from redis_pool_ext.aio.express import exchange
from redis_pool_ext.wire.packing import pack_ordinary

GET = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
PUSH = b">2\r\n$4\r\nnews\r\n$5\r\nhello\r\n"


async def short(connection: Any, *args: Any) -> Any:
    """Do as a lease does: look, owe, and go the short way."""
    packed = pack_ordinary(args)
    assert packed is not None
    assert connection.lane.has_room_for(packed)
    assert not connection.pending
    connection.pending = 1
    return await exchange(connection, connection.lane, packed)
