"""Visitors over HTTP: each asks again as soon as it has its answer."""

from __future__ import annotations

import selectors
import socket
import time
from typing import NamedTuple

__all__ = ["Load", "visit"]

_PATIENCE = 30.0  # seconds for one answer


class Load(NamedTuple):
    """How it went, in seconds: from the first request to the last answer, and each one's wait."""

    seconds: float
    waits: list[float]


class _Visitor:
    """One connection that is kept open, and what has come back on it."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        self._request = request
        self._answer = b""
        self._sent = 0.0

    def ask(self) -> None:
        self._answer, self._sent = b"", time.perf_counter()
        self.socket.sendall(self._request)

    def listen(self) -> float | None:
        """Receive what is there; return how long the answer took, when it is complete."""
        chunk = self.socket.recv(65536)
        self._answer += chunk
        if not chunk or not b"HTTP/1.1 200 OK".startswith(self._answer[:15]):
            raise RuntimeError(f"the application answers {self._answer[:200]!r}")
        return time.perf_counter() - self._sent if _is_complete(self._answer) else None


def visit(port: int, path: str, *, visitors: int, number: int) -> Load:
    """Let so many visitors make so many requests in all, on connections that stay open.

    One thread looks after all of them: it shall need little of the machine.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    waits: list[float] = []
    left = max(number, visitors)
    with selectors.DefaultSelector() as selector:
        crowd = [_Visitor(port, request) for _ in range(visitors)]
        try:
            began = time.perf_counter()
            for visitor in crowd:
                selector.register(visitor.socket, selectors.EVENT_READ, visitor)
                visitor.ask()
                left -= 1
            while len(waits) < max(number, visitors):
                ready = selector.select(_PATIENCE)
                if not ready:
                    raise RuntimeError(f"{path}: no answer within {_PATIENCE:g} s")
                for key, _ in ready:
                    wait = key.data.listen()
                    if wait is None:
                        continue
                    waits.append(wait)
                    if left:
                        left -= 1
                        key.data.ask()
            return Load(time.perf_counter() - began, waits)
        finally:
            for visitor in crowd:
                visitor.socket.close()


def _is_complete(answer: bytes) -> bool:
    head, end_of_head, body = answer.partition(b"\r\n\r\n")
    if not end_of_head:
        return False
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) >= int(value)
    return body.endswith(b"0\r\n\r\n")  # in chunks; the last one is empty
