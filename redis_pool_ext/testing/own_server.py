"""Servers of this process' own, for its tests: started when first needed, ended with it."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..embedded import EmbeddedRedis

__all__ = ["DATABASES", "PER_SERVER", "borrowed_server"]

# Of the real servers that one of ours stands in for, each has so many databases there.
PER_SERVER = 64
DATABASES = 512

# Those that no test uses, by the process that has started them. A fork's child starts its own,
# and keeps its parent's here: the end of such an object would remove the server's folder.
_idle: dict[int, list[EmbeddedRedis]] = {}


@contextmanager
def borrowed_server() -> Iterator[EmbeddedRedis]:
    """Have a server to oneself, with nothing stored. Raises `NoRedisServerError`."""
    idle = _idle.setdefault(os.getpid(), [])
    server = _take(idle) or _start()
    try:
        yield server
    finally:
        idle.append(server)


def _take(idle: list[EmbeddedRedis]) -> EmbeddedRedis | None:
    """Return an idle server, emptied; None where there is none."""
    while idle:
        try:
            server = idle.pop()
        except IndexError:  # another thread was quicker
            return None
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
            # Somebody else's may have its port by now, and is not ours to empty.
            is_ours = client.info("server")["process_id"] == server.pid
            return is_ours and bool(client.flushall())
    except redis.RedisError:
        return False


def _start() -> EmbeddedRedis:
    server = EmbeddedRedis("--databases", str(DATABASES))
    try:
        server.start()
    except BaseException:
        server.close()
        raise
    atexit.register(_close, server, os.getpid())
    return server


def _close(server: EmbeddedRedis, pid: int) -> None:
    if pid == os.getpid():
        server.close()
