"""A way to a Redis server that is slow to connect, in a process of its own.

    python -m benchmarks.slow_dial 6379 0.15 together

Once it is through, a connection is not slowed down.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from threading import Thread

from .child import obey

__all__ = ["IN_TURN", "TOGETHER", "main"]

# Dials that are under way at the same time do not slow each other down (the server is far
# away), or each waits for those before it (the server is busy: TLS, say).
TOGETHER, IN_TURN = "together", "in turn"


def main(port: str, seconds: str, how: str) -> None:
    """Forward to `port` of this machine; a connection takes so many seconds to get through."""
    way = _SlowWay(int(port), float(seconds), is_in_turn=how == IN_TURN)
    obey({"port": way.port.result, "opened": lambda: way.opened})


class _SlowWay:
    def __init__(self, target: int, seconds: float, *, is_in_turn: bool) -> None:
        self.port: Future[int] = Future()
        self.opened = 0
        self._target = target
        self._seconds = seconds
        self._gate: AbstractAsyncContextManager[None] = (
            asyncio.Lock() if is_in_turn else nullcontext()
        )
        Thread(target=asyncio.run, args=(self._serve(),), daemon=True).start()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0, backlog=512)
        self.port.set_result(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    async def _forward(self, visitor: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self.opened += 1
        async with self._gate:
            await asyncio.sleep(self._seconds)
        server, out = await asyncio.open_connection("127.0.0.1", self._target)
        with suppress(OSError):
            await asyncio.gather(_pump(visitor, out), _pump(server, back))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()
    finally:
        sink.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
