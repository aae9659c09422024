"""One command to a server that never answers: how long until the caller is told.

The port accepts connections (the kernel does that), and nobody ever reads from them. Each
client is asked for a timeout of 2 seconds where it knows one word for that.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from redis_pool_ext import RedisPool

from .harness import RATIO, Effort, Result, Row, beaten, row, with_ratios

__all__ = ["CONTENDERS", "TITLE", "Entry", "black_hole", "measure", "seconds_until_told"]

TITLE = "Black hole: one GET, a server that accepts and never answers"

UNIT = {"told after": "s", RATIO: "x"}

TIMEOUT = 2.0
ROUNDS = 3
LONG = 10.0  # seconds: what takes longer is measured once

# redis-py 8's own, for the short run: the seconds that a reply and a connection may take,
# the pauses between tries, and how many more of them `Redis()` makes.
SOCKET_TIMEOUT, BASE, CAP, RETRIES = 5.0, 0.01, 1.0, 10


class Entry(NamedTuple):
    """A client that takes part; `make(port, scale)` makes it, all its times scaled."""

    name: str
    make: Callable[[int, float], redis.Redis]
    note: str


def measure(effort: Effort) -> Result:
    """Ask once, or a few times; a short run scales all times, of ours and of the peers'."""
    scale = min(1.0, max(0.02, effort.factor))
    with black_hole() as listener, ThreadPoolExecutor(len(CONTENDERS)) as threads:
        port = listener.getsockname()[1]
        # All at once: they do nothing but wait.
        jobs = {
            entry.name: threads.submit(_ask_often, entry, port, scale, effort.count(ROUNDS))
            for entry in CONTENDERS
        }
        rows = [_row(entry, jobs[entry.name]) for entry in CONTENDERS]
    remarks = [] if scale == 1.0 else [_scaled(scale)]
    rows = with_ratios(rows, "told after")
    remarks += beaten(rows, "told after", {})
    return Result("blackhole", TITLE, UNIT, rows, remarks=remarks, ratio_of="told after")


@contextmanager
def black_hole() -> Iterator[socket.socket]:
    """Listen on a port and never answer; yields what listens."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        yield listener


def seconds_until_told(client: redis.Redis) -> float:
    """Send one GET, which fails; return after how many seconds."""
    began = time.perf_counter()
    try:
        client.get("key")
    except redis.RedisError:
        return time.perf_counter() - began
    raise RuntimeError("the black hole answers")


def _ask_often(entry: Entry, port: int, scale: float, rounds: int) -> list[float]:
    found: list[float] = []
    while len(found) < rounds and sum(found) < LONG * scale:
        # A client of its own each time: one that was told knows that the server is down.
        found.append(seconds_until_told(entry.make(port, scale)))
    return found


def _row(entry: Entry, job: Future[list[float]]) -> Row:
    return row(entry.name, {"told after": job.result()}, UNIT, note=entry.note)


def _scaled(scale: float) -> str:
    return (
        f"A short run: all times, redis-py's defaults too, are {scale:g} of the real ones "
        "(`timeout`, socket timeouts, pauses between tries; not their number)."
    )


# -- the clients -----------------------------------------------------------------------------


def _scaled_options(scale: float, retries: int) -> dict[str, Any]:
    """Return redis-py's defaults on another scale; nothing where the scale is 1."""
    if scale == 1.0:
        return {}
    backoff = ExponentialWithJitterBackoff(base=BASE * scale, cap=CAP * scale)
    return {
        "socket_timeout": SOCKET_TIMEOUT * scale,
        "socket_connect_timeout": SOCKET_TIMEOUT * scale,
        "retry": Retry(backoff, retries),
    }


def _ours(port: int, scale: float) -> redis.Redis:
    pool = RedisPool(
        host="127.0.0.1", port=port, timeout=TIMEOUT * scale, **_scaled_options(scale, 0)
    )
    return pool.lease().client()


def _plain(port: int, scale: float) -> redis.Redis:
    return redis.Redis(host="127.0.0.1", port=port, **_scaled_options(scale, RETRIES))


def _from_url(port: int, scale: float) -> redis.Redis:
    return redis.Redis.from_url(f"redis://127.0.0.1:{port}/0", **_scaled_options(scale, 0))


def _blocking(port: int, scale: float) -> redis.Redis:
    pool = redis.BlockingConnectionPool(
        host="127.0.0.1", port=port, timeout=TIMEOUT * scale, **_scaled_options(scale, 0)
    )
    return redis.Redis(connection_pool=pool)


CONTENDERS = (
    Entry("redis_pool_ext", _ours, "`RedisPool(timeout=2)`, a lease"),
    Entry(
        "redis-py blocking",
        _blocking,
        "`BlockingConnectionPool(timeout=2)`: that is for the queue, not for the dial",
    ),
    Entry("redis-py, from_url", _from_url, "`Redis.from_url(url)`: 5 s, no retry"),
    Entry("redis-py, Redis()", _plain, "`Redis(host, port)`: 5 s, and ten retries"),
)
