"""A connection class without a socket, for what needs no network."""

from __future__ import annotations

import inspect
from typing import Any

import redis.asyncio


class StubTransport:
    """What a connection asks of its transport, and nothing behind it."""

    def __init__(self) -> None:
        self.is_closed = False

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close


class StubStream:
    """A reader and a writer in one, with nothing to read."""

    def __init__(self) -> None:
        self.transport = StubTransport()
        self._buffer = b""

    def at_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.transport.close()

    def is_closing(self) -> bool:
        return self.transport.is_closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    async def wait_closed(self) -> None:
        return None


class StubAsyncConnection(redis.asyncio.Connection):
    """Connects to nothing; what is in `script` happens to the next dials, in order.

    An exception there is raised, a callable is called, and awaited; an empty script lets
    dials pass.
    """

    def __init__(self, *, script: list[Any] | None = None, **kwargs: Any) -> None:
        self.script = script if script is not None else []
        super().__init__(**kwargs)

    async def connect(self) -> None:
        if self.script:
            if isinstance(self.script[0], BaseException):
                raise self.script.pop(0)  # not by a name: that were a cycle
            waits = self.script.pop(0)()
            if inspect.isawaitable(waits):
                await waits
        self._reader = self._writer = StubStream()  # type: ignore[assignment]

    async def can_read(self) -> bool:
        return False
