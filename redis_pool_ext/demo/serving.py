"""The example behind a real web server: waitress, in a thread."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from threading import Event, Thread
from typing import Any

from .failure import DemoError

__all__ = ["HOST", "Application", "serve"]

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Channels = dict[int, Any]  # what waitress looks after, by file descriptor

HOST = "127.0.0.1"
THREADS = 32  # many more than connections: the pool shall be the bottleneck
GRACE = 1.0  # seconds for pages in the making, once it is time to go


def serve(application: Application, port: int, stack: ExitStack) -> int:
    """Serve until the `stack` ends; return the port (0 asks for any free one).

    Raises `DemoError` when the port cannot be had.
    """
    from waitress import create_server  # type: ignore[import,unused-ignore]

    listener = _listen(port)
    channels: Channels = {}
    server = create_server(application, channels, sockets=[listener], threads=THREADS)
    stopping = Event()
    loop = Thread(target=_loop, args=(channels, stopping), name="demo-server", daemon=True)
    stack.callback(_stop, server, channels, stopping, loop)
    loop.start()
    return int(listener.getsockname()[1])


def _listen(port: int) -> socket.socket:
    # Not waitress: it has started its threads before it learns that the port is taken.
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise DemoError(f"Port {port} cannot be used: {error.strerror}") from error


def _loop(channels: Channels, stopping: Event) -> None:
    from waitress import wasyncore  # type: ignore[import,unused-ignore]

    # Not `server.run()`: nobody can end that from outside, without closing file
    # descriptors that it is about to use.
    while not stopping.is_set():
        wasyncore.loop(map=channels, count=1)


def _stop(server: Any, channels: Channels, stopping: Event, loop: Thread) -> None:
    """Give pages that are being made a moment, then end the loop and close everything."""
    from waitress import wasyncore  # type: ignore[import,unused-ignore]

    # In this order: a page that is done wakes the loop through a pipe that is closed last.
    server.task_dispatcher.shutdown(timeout=GRACE)
    stopping.set()
    server.pull_trigger()
    loop.join(timeout=5)
    wasyncore.close_all(channels, ignore_all=True)
