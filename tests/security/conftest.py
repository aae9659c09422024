"""Servers that speak TLS: redis-server itself where it was built with it, else one in front."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from redis_pool_ext.embedded import EmbeddedRedis, find_redis_server

from ..support.certificates import Paper, authority_file, paper
from ..support.tls import TLSFront, context_of
from .sides import SIDES, Side

# Takes the server's certificate, and whose certificates clients must show; returns the port.
Serve = Callable[..., int]

WORDS = {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}


@cache
def speaks_tls(program: Path) -> bool:
    """Tell whether a server was built with TLS: then it asks for a certificate, and ends."""
    tried = subprocess.run(
        [str(program), "--port", "0", "--tls-port", "1"],
        capture_output=True,
        timeout=10,
        check=False,
    )
    return b"tls-cert-file" in tried.stdout + tried.stderr


@pytest.fixture(params=SIDES, ids=lambda side: side.name)
def side(request: pytest.FixtureRequest) -> Side:
    """Threads, and tasks."""
    return request.param


@pytest.fixture
def serve(redis_server: EmbeddedRedis, admin: Any) -> Iterator[Serve]:
    """Start servers with TLS, as a test likes them; they end with it."""
    with ExitStack() as stack:

        def start(
            shown: Paper | None = None,
            *,
            asks: str | None = None,
            version: ssl.TLSVersion | None = None,
        ) -> int:
            shown = shown or paper("localhost", "127.0.0.1")
            if speaks_tls(find_redis_server()[0]):
                return stack.enter_context(native(shown, asks, version))
            versions = (version, version) if version is not None else None
            context = context_of(shown, asks=asks, versions=versions)
            return stack.enter_context(TLSFront(redis_server.port, context))

        yield start


@contextmanager
def native(shown: Paper, asks: str | None, version: ssl.TLSVersion | None) -> Iterator[int]:
    """Start a redis-server that speaks TLS itself."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    arguments = ["--tls-port", str(port), "--tls-cert-file", shown.certificate]
    arguments += ["--tls-key-file", shown.key, "--tls-ca-cert-file", authority_file(asks or "ours")]
    arguments += ["--tls-auth-clients", "yes" if asks else "no"]
    if version is not None:
        arguments += ["--tls-protocols", WORDS[version]]
    with EmbeddedRedis(*arguments):
        yield port


@pytest.fixture
def tls_url(serve: Serve) -> str:
    """The address of a server with a certificate of ours, for `localhost`, and whom to trust."""
    return f"rediss://localhost:{serve()}/0?ssl_ca_certs={authority_file()}"
