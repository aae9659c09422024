"""Unix sockets: by URL, with ACL, and what is said of those that cannot be used."""

from __future__ import annotations

import ctypes
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from redis_pool_ext import PoolUnavailableError
from redis_pool_ext.embedded import EmbeddedRedis

from .sides import Side

PATIENCE = {"timeout": 10}
NOBODY = 65534


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a short name, which everybody may enter: a socket's path has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="rpe-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def path(folder: Path) -> Iterator[str]:
    """The socket of a server; its owner alone may use it."""
    path = str(folder / "redis.sock")
    with (
        EmbeddedRedis("--unixsocket", path, "--unixsocketperm", "700") as server,
        redis.Redis(port=server.port) as admin,
    ):
        admin.acl_setuser("app", enabled=True, passwords="+s3cret", keys="*", commands=["+@all"])
        yield path


def test_database_is_in_the_query(side: Side, path: str):
    """A path has no room for it."""
    assert side.ask(f"unix://{path}?db=1", "SET", "where", "one", **PATIENCE) in (True, b"OK")
    assert side.ask(f"unix://{path}?db=1", "GET", "where", **PATIENCE) == b"one"
    assert side.ask(f"unix://{path}", "GET", "where", **PATIENCE) is None


def test_user_is_in_the_url_or_in_options(side: Side, path: str):
    """As with any other address."""
    by_url = side.ask(f"unix://app:s3cret@{path}", "ACL", "WHOAMI", **PATIENCE)
    options = {"username": "app", "password": lambda: "s3cret"}
    by_options = side.ask(f"unix://{path}", "ACL", "WHOAMI", **options, **PATIENCE)

    assert (by_url, by_options) == (b"app", b"app")


def test_missing_socket_is_told_as_that(side: Side, folder: Path):
    """By its path; it is an outage."""
    told = side.refused(f"unix://app:s3cret@{folder}/none.sock", **PATIENCE)

    assert type(told.error) is PoolUnavailableError
    assert f"{folder}/none.sock" in str(told.error)
    assert "there is no such socket: see `unixsocket`" in str(told.error)
    assert "s3cret" not in str(told.error)
    assert (told.stats.in_use, told.stats.connecting) == (0, 0)


def test_socket_that_nobody_serves_is_told_as_that(side: Side, folder: Path):
    """A server that was killed leaves its socket behind."""
    left = folder / f"left-by-{side.name}.sock"
    with socket.socket(socket.AF_UNIX) as served:
        served.bind(str(left))
    told = side.refused(f"unix://{left}", **PATIENCE)

    assert type(told.error) is PoolUnavailableError
    assert "nobody serves this socket any more" in str(told.error)


def test_socket_of_somebody_else_is_told_as_that(side: Side, path: str):
    """The settings of the server that decide about it are named."""
    with nobodys_rights(path):
        told = side.refused(f"unix://{path}", **PATIENCE)

    assert type(told.error) is PoolUnavailableError
    assert "this process's user may not use the socket: see `unixsocketperm`" in str(told.error)
    assert side.ask(f"unix://{path}", "ECHO", "mine", **PATIENCE) == b"mine"


@contextmanager
def nobodys_rights(path: str) -> Iterator[None]:
    """Take from this thread the right to use a file."""
    if os.geteuid() != 0:
        mode = os.stat(path).st_mode
        os.chmod(path, 0)
        try:
            yield
        finally:
            os.chmod(path, mode)
        return
    # Root may do everything; Linux keeps a user for each thread, as far as files go.
    libc = ctypes.CDLL(None)
    libc.setfsuid(NOBODY)
    try:
        yield
    finally:
        libc.setfsuid(0)
