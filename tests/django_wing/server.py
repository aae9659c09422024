"""A real uvicorn in a process of its own, and its clients."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]


class Answer(NamedTuple):
    """What a client got."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Server:
    """A uvicorn on a port of its own."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    def get(self, path: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def ask(self, path: str) -> dict[str, Any]:
        answer = self.get(path)
        assert answer.status == 200, answer
        asked: dict[str, Any] = json.loads(answer.body)
        return asked

    def knock(self, path: str) -> socket.socket:
        """Send a request, and read nothing."""
        visitor = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        visitor.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return visitor

    def is_busy(self, in_use: int, waiting: int) -> Callable[[], bool]:
        def look() -> bool:
            stats = self.ask("/stats/")
            return (stats["in_use"], stats["waiting"]) == (in_use, waiting)

        return look

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop it; uvicorn ends with the signal that it got, once all is done."""
        self.process.send_signal(number)
        assert self.process.wait(20) in (0, -number)

    def accepts(self) -> bool:
        """Tell whether it takes connections, not yet or no more."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=20).close()
        except OSError:
            return False
        return True


def run_uvicorn(said: Any, loop: str, site: dict[str, str]) -> Server:
    """Start it on a free port, with the site's settings; what it says goes to the file `said`."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [sys.executable, "-W", "always::ResourceWarning", "-m", "uvicorn"]
    command += ["tests.django_wing.project.served:application", "--port", str(port)]
    command += ["--loop", loop, "--log-level", "warning"]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **site}, stdout=said, stderr=said
    )
    return Server(process, port)
