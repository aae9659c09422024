"""HTTP to a server on a Unix socket: no port need be free."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

__all__ = ["fetch"]


def fetch(path: str | Path, target: str, timeout: float = 20.0) -> tuple[int, bytes]:
    """Return status and body of the answer, read to its end; `timeout` in seconds."""
    connection = http.client.HTTPConnection("localhost", timeout=timeout)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(timeout)
        connection.sock.connect(str(path))
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
