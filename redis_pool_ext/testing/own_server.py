"""Servers of this process' own, for its tests: started when first needed, ended with it."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..embedded import EmbeddedRedis
from ..forks import getpid

__all__ = ["DATABASES", "PER_SERVER", "borrowed_server"]

# Of the real servers that one of ours stands in for, each has so many databases there.
PER_SERVER = 64
DATABASES = 512

# Those that no test uses, those that one does, and whose they are: a fork's child starts its own.
_idle: list[EmbeddedRedis] = []
_running: list[EmbeddedRedis] = []
_pid = os.getpid()


@contextmanager
def borrowed_server() -> Iterator[EmbeddedRedis]:
    """Have a server to oneself, with nothing stored. Raises `NoRedisServerError`."""
    server = _take() or _start()
    _running.append(server)
    try:
        yield server
    finally:
        _running.remove(server)
        _idle.append(server)


def _take() -> EmbeddedRedis | None:
    """Return an idle server, emptied; None where there is none."""
    _forget_parents()
    with suppress(IndexError):
        while True:
            server = _idle.pop()
            if _is_emptied(server):
                return server
            server.close()
    return None


def _is_emptied(server: EmbeddedRedis) -> bool:
    """Empty a server of ours; tell whether that went well, as a test may have stopped it."""
    try:
        with redis.Redis(
            host=server.host, port=server.port, socket_timeout=5, retry=Retry(NoBackoff(), 0)
        ) as client:
            client.flushall()
    except redis.RedisError:
        return False
    return True


def _start() -> EmbeddedRedis:
    server = EmbeddedRedis("--databases", str(DATABASES))
    try:
        server.start()
    except BaseException:
        server.close()
        raise
    atexit.register(_close, server, getpid())
    return server


def _close(server: EmbeddedRedis, pid: int) -> None:
    if pid == os.getpid():
        server.close()


def _forget_parents() -> None:
    global _pid  # noqa: PLW0603
    if _pid != os.getpid():
        _idle.clear()
        _running.clear()
        _pid = os.getpid()
