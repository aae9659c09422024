"""A TCP proxy that misbehaves on command: it stands between a pool and a real server."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Self

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
GARBAGE = b"HTTP/1.1 400 Bad Request\r\n\r\n"


class Then(Enum):
    """What becomes of a connection after a chunk."""

    GO_ON = "go on"
    SILENCE = "silence"  # in this direction, for good
    CLOSE = "close"
    RESET = "reset"


# What is forwarded of a chunk, and how it goes on.
Treatment = Callable[[bytes], tuple[bytes, Then]]


def _as_it_is(chunk: bytes) -> tuple[bytes, Then]:
    return chunk, Then.GO_ON


def _lost(_chunk: bytes) -> tuple[bytes, Then]:
    return b"", Then.GO_ON


class FaultyProxy:
    """Forwards to `port` on this machine, until told otherwise.

    `delay` seconds before each chunk of an answer; `swallow()` accepts and forwards
    nothing more, in either direction, and what came meanwhile arrives late; `drip()`
    answers one byte per `delay`; `cut()` drops all connections (with a reset if asked);
    `refuse()` stops listening, `resume()` ends every fault.

    Half-open: `lose_requests()`, `lose_answers()`; `forget()` loses both, for good, on the
    connections there are, and lets new ones pass. When something is said:
    `hang_up()` in place of a request, `garble()` each answer, `break_off()` after some
    bytes of an answer.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.delay = 0.0
        self._requests: Treatment = _as_it_is
        self._answers: Treatment = _as_it_is
        self.accepted = 0
        self._flowing = threading.Event()
        self._flowing.set()
        self._closed = threading.Event()
        self._dripping = False
        self._sockets: set[socket.socket] = set()
        self._forgotten: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._spawn(self._accept, self._listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._closed.set()
        self._flowing.set()
        self.refuse()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def swallow(self) -> None:
        self._flowing.clear()

    def drip(self, seconds_per_byte: float) -> None:
        self._dripping, self.delay = True, seconds_per_byte

    def lose_requests(self) -> None:
        self._requests = _lost

    def lose_answers(self) -> None:
        self._answers = _lost

    def forget(self) -> None:
        self._forgotten |= self._sockets

    def hang_up(self, *, reset: bool) -> None:
        """Close the connection, when the next request comes."""
        self._requests = lambda _chunk: (b"", Then.RESET if reset else Then.CLOSE)

    def garble(self) -> None:
        self._answers = lambda _chunk: (GARBAGE, Then.GO_ON)

    def break_off(self, size: int, then: Then) -> None:
        """Let `size` bytes of an answer pass, and no more on that connection."""
        self._answers = lambda chunk: (chunk[:size], then)

    def resume(self) -> None:
        self.delay, self._dripping = 0.0, False
        self._requests = self._answers = _as_it_is
        self._flowing.set()
        if self._listener.fileno() == -1:
            self._listener = self._listen(self.port)
            self._spawn(self._accept, self._listener)

    def refuse(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def cut(self, *, reset: bool = False) -> None:
        for sock in list(self._sockets):
            self._close(sock, reset=reset)

    def _listen(self, port: int) -> socket.socket:
        return socket.create_server(("127.0.0.1", port), backlog=128)

    def _spawn(self, target, *args) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._sockets.add(client)
            self._spawn(self._connect, client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            self._close(client)
            return
        server.settimeout(None)
        self._sockets.add(server)
        self._spawn(self._pump, client, server, False)
        self._pump(server, client, True)

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        client = sink if answers else source
        then = Then.GO_ON
        try:
            while chunk := source.recv(65536):
                self._flowing.wait()
                if self._closed.is_set():
                    break
                if then is Then.SILENCE or source in self._forgotten:
                    continue
                chunk, then = (self._answers if answers else self._requests)(chunk)
                self._forward(chunk, sink, answers)
                if then in (Then.CLOSE, Then.RESET):
                    self._close(client, reset=then is Then.RESET)
                    break
        except OSError:
            pass
        self._close(source)
        self._close(sink)

    def _forward(self, chunk: bytes, sink: socket.socket, answers: bool) -> None:
        pieces = [bytes([b]) for b in chunk] if answers and self._dripping else [chunk]
        for piece in pieces:
            if answers and self.delay:
                self._closed.wait(self.delay)
            sink.sendall(piece)

    def _close(self, sock: socket.socket, *, reset: bool = False) -> None:
        self._sockets.discard(sock)
        try:
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                sock.shutdown(socket.SHUT_RD)  # the pump lets go, so that close() closes
            else:
                sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        sock.close()
