"""TLS for tests: a certificate, and who speaks it in front of a server that does not."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import tempfile
import threading
from contextlib import suppress
from functools import cache

import pytest

_folder = tempfile.TemporaryDirectory(prefix="redis_pool_ext-tls-")


@cache
def certificate() -> tuple[str, str]:
    """Return the paths of a certificate for redis.test, and of its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate")
    paths = f"{_folder.name}/certificate", f"{_folder.name}/key"
    kind = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    command = ["openssl", "req", *kind.split(), "-subj", "/CN=redis.test"]
    command += ["-addext", "subjectAltName=DNS:redis.test"]
    made = subprocess.run(
        [*command, "-out", paths[0], "-keyout", paths[1]], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"openssl makes no certificate: {made.stderr!r}")
    return paths


class TlsProxy:
    """TLS in front of a port of this machine, in a thread and an event loop of its own."""

    def __init__(self, target: int) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(*certificate())
        self._target = target
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: list[asyncio.Task[None]] = []
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> int:
        self._thread.start()
        assert self._is_ready.wait(10)
        return self._port

    def __exit__(self, *_exc: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    async def _run(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self._port = server.sockets[0].getsockname()[1]
        self._is_ready.set()
        await self._end.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers.append(inner_writer)
        for pump in (_pump(reader, inner_writer), _pump(inner_reader, writer)):
            self._pumps.append(self._loop.create_task(pump))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.transport.abort()
