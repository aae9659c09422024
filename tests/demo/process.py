"""The demo as its users start it: a process of its own, and what is left of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE = 45  # seconds for a whole run


class DemoProcess:
    """Runs the demo, a context manager; what is still alive at the end is stopped.

    Its output goes to a file in `folder`, so that no child can keep a pipe open; `folder`
    is its temporary folder, too. `code` runs in place of the command.
    """

    def __init__(self, folder: Path, *arguments: str, code: str | None = None, **env: str) -> None:
        start = ["-c", code] if code else ["-m", "redis_pool_ext"]
        self.command = [sys.executable, "-W", "error", *start, *arguments]
        self.folder = folder
        self.output = folder / "output"
        unset = ("REDIS_URL", "DEBUG", "COLUMNS")
        inherited = {name: value for name, value in os.environ.items() if name not in unset}
        self.env = {**inherited, "TMPDIR": str(folder), **env}

    def __enter__(self) -> Self:
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.env
            )
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.left_a_server():
            with self._client() as client:
                client.shutdown(nosave=True)

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.output.read_text()

    def ends(self) -> int:
        """Wait for the end and return the status."""
        return self.process.wait(PATIENCE)

    def prints(self, pattern: str) -> re.Match[str]:
        """Wait until something in its output matches."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            match = re.search(pattern, self.text)
            if match:
                return match
            assert self.process.poll() is None, self.text
            time.sleep(0.05)
        raise AssertionError(f"no {pattern!r} in {self.text}")

    def left_a_server(self) -> bool:
        """Tell whether the Redis that it had started still answers."""
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def _client(self) -> redis.Redis:
        match = re.search(r"redis-server from .*, on port (\d+)", self.text)
        port = int(match[1]) if match else 1  # nobody answers on port 1
        return redis.Redis(port=port, retry=Retry(NoBackoff(), 0))
