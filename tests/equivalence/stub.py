"""A server that answers what a test tells it, and remembers the bytes that it was sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

HELLO = (
    b"%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n$5\r\nproto\r\n:3\r\n",
    b"*6\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n$5\r\nproto\r\n:2\r\n",
)


HANG_UP = b"hang up"  # in place of a reply: close the connection


class StubServer:
    """Sends `reply` for each command, or what `reply(words)` returns; None: nothing.

    A connection's handshake is answered as a server does, and is not in `received`: the
    bytes of each command since `forget()`.
    """

    def __init__(self) -> None:
        self.reply: bytes | Callable[[list[bytes]], bytes | None] | None = b"+OK\r\n"
        self.received: list[bytes] = []
        self.accepted = 0
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._spawn(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        for sock in (self._listener, *self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def forget(self) -> None:
        self.received = []

    def take_accepted(self) -> int:
        """Return how many connections were made since this was last asked."""
        accepted, self.accepted = self.accepted, 0
        return accepted

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._sockets.append(sock)
            self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # many replies in a row
        is_new = True
        data = b""
        try:
            while chunk := sock.recv(1 << 20):
                data += chunk
                while (command := _first_command(data)) is not None:
                    raw, words = command
                    data = data[len(raw) :]
                    is_new = is_new and _is_handshake(words)
                    answer = greet(words) if is_new else self._answer(raw, words)
                    if answer == HANG_UP:
                        return
                    if answer:
                        sock.sendall(answer)
        except OSError:
            pass
        finally:
            sock.close()

    def _answer(self, raw: bytes, words: list[bytes]) -> bytes | None:
        self.received.append(raw)
        return self.reply(words) if callable(self.reply) else self.reply


def _is_handshake(words: list[bytes]) -> bool:
    return words[:1] == [b"HELLO"] or words[:2] in (
        [b"CLIENT", b"SETINFO"],
        [b"CLIENT", b"MAINT_NOTIFICATIONS"],
    )


def greet(words: list[bytes]) -> bytes:
    """Return the answer to a command of a handshake."""
    if words[0] == b"HELLO":
        return HELLO[0] if words[1:2] == [b"3"] else HELLO[1]
    return b"+OK\r\n" if words[1] == b"SETINFO" else b"-ERR unknown subcommand\r\n"


def _first_command(data: bytes) -> tuple[bytes, list[bytes]] | None:
    """Return the first command's bytes and its words; None when it is not complete."""
    end = data.find(b"\r\n")
    if end < 0:
        return None
    assert data[:1] == b"*", data[:100]
    at, words = end + 2, []
    for _ in range(int(data[1:end])):
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        assert data[at : at + 1] == b"$", data[:100]
        start = end + 2
        at_end = start + int(data[at + 1 : end])
        if len(data) < at_end + 2:
            return None
        assert data[at_end : at_end + 2] == b"\r\n", data[:100]
        words.append(data[start:at_end])
        at = at_end + 2
    return data[:at], words
