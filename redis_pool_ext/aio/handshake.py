"""What a task reads from during a handshake: what it says goes out as it listens."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["HandshakeStream"]


class HandshakeStream:
    """Stands in for a connection's reader until its handshake is over, and listens.

    What is said goes out as the answer is read. redis-py sends several commands before it
    reads, and a server that is full hangs up at once: to write to it once more would be to
    lose what it has said. Only what redis-py's parsers call in a handshake is here.
    """

    def __init__(self, plain: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.plain = plain
        self._writer = writer
        self._unsent: list[bytes] = []
        self.heard: bool = False  # whether the last read brought something
        self.ever_heard: bool = False  # whether any did

    def say(self, command: Any) -> None:
        """Send packed bytes, or a list of them, with the next read."""
        self.heard = False
        self._unsent += [command] if isinstance(command, bytes) else command

    def flush(self) -> None:
        """Send what was said."""
        unsent, self._unsent = self._unsent, []
        if unsent:
            self._writer.write(b"".join(unsent))

    async def read(self, size: int) -> bytes:
        """Read at most `size` bytes."""
        return await self._listen(self.plain.read(size))

    async def readline(self) -> bytes:
        """Read a line."""
        return await self._listen(self.plain.readline())

    async def readexactly(self, size: int) -> bytes:
        """Read so many bytes."""
        return await self._listen(self.plain.readexactly(size))

    async def _listen(self, reading: Coroutine[Any, Any, bytes]) -> bytes:
        self.heard = False
        self.flush()
        data = await reading
        self.heard = bool(data)
        self.ever_heard = self.ever_heard or self.heard
        return data

    def at_eof(self) -> bool:
        """Tell whether there is nothing more to read."""
        return self.plain.at_eof()
