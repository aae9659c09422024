"""Who speaks TLS: in front of a server that does not, or in its place as a test likes."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from .certificates import Paper, authority_file, paper
from .proxy import RESET_ON_CLOSE

__all__ = ["Peer", "TLSFront", "context_of"]


def context_of(
    shown: Paper | None = None,
    *,
    asks: str | None = None,
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion] | None = None,
) -> ssl.SSLContext:
    """Return a server's context; `asks` is the authority whose certificates clients must show."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*(shown or paper("localhost", "127.0.0.1")))
    if asks is not None:
        context.load_verify_locations(authority_file(asks))
        context.verify_mode = ssl.CERT_REQUIRED
    if versions is not None:
        context.minimum_version, context.maximum_version = versions
    return context


class TLSFront:
    """TLS in front of a port of this machine; a thread for each connection.

    Not asyncio's own server: that closes a connection without saying why.
    """

    def __init__(self, target: int, context: ssl.SSLContext | None = None) -> None:
        self._context = context or context_of()
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._is_over = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> int:
        self._spawn(self._accept)
        return self._listener.getsockname()[1]  # type: ignore[no-any-return]

    def __exit__(self, *_exc: object) -> None:
        self._is_over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _spawn(self, target: Callable[..., object], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._spawn(self._serve, self._listener.accept()[0])

    def _serve(self, plain: socket.socket) -> None:
        with plain, suppress(OSError):
            plain.settimeout(10)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            outer = self._context.wrap_socket(plain, server_side=True)
            with outer, socket.create_connection(("127.0.0.1", self._target), 10) as inner:
                inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while not self._is_over.is_set() and self._carry(outer, inner):
                    pass

    def _carry(self, outer: ssl.SSLSocket, inner: socket.socket) -> bool:
        """Carry over what there is; False at the end of either side."""
        ready = [outer] if outer.pending() else select.select([outer, inner], [], [], 0.05)[0]
        for source, sink in ((outer, inner), (inner, outer)):
            if source in ready:
                data = source.recv(65536)
                if not data:
                    return False
                sink.sendall(data)
        return True


class Peer:
    """The server's end of one connection, in the test's own hand; it accepts in a thread."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context or context_of()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._is_there = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.sock: ssl.SSLSocket

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        if self._is_there.is_set():
            self.sock.close()

    def _accept(self) -> None:
        with suppress(OSError):
            plain, _ = self._listener.accept()
            plain.settimeout(10)
            self.sock = self._context.wrap_socket(plain, server_side=True)
            self._is_there.set()

    def wait(self) -> None:
        """Wait until TLS stands, on this side as well."""
        assert self._is_there.wait(10)

    def say(self, data: bytes) -> None:
        self.wait()
        self.sock.sendall(data)

    def say_goodbye(self) -> None:
        """Send TLS's own word for the end, and leave the socket open."""
        self.wait()
        self.sock.settimeout(0)
        with suppress(ssl.SSLWantReadError, BlockingIOError):
            self.sock.unwrap()

    def hang_up(self, *, reset: bool = False) -> None:
        """Close the socket, without TLS's word for it."""
        self.wait()
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.sock.close()
