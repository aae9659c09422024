"""50 callers at once, an empty pool, and a server that takes its time to accept them.

After HikariCP's "Welcome to the Jungle": who opens a connection for each caller has them
when nobody needs them any more, and the server has had all of them at its door at once.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from statistics import median, quantiles
from typing import Any, NamedTuple, Self

import redis
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool as PsycopgPool

from redis_pool_ext import RedisPool
from redis_pool_ext.embedded import EmbeddedRedis

from .child import Child
from .entries import Borrowing, Entry
from .harness import Curve, Effort, Result, Row, beaten, rotated, row
from .slow_dial import IN_TURN, TOGETHER

__all__ = ["CALLERS", "CONTENDERS", "SCENES", "TITLE", "Scene", "measure", "one_spike"]

TITLE = "Spike: 50 callers at once, an empty pool of 50, slow dials; each needs 2 ms"

UNIT = {"opened": "", "p50": "ms", "p99": "ms", "worst": "ms", "all served": "ms", "errors": ""}

CALLERS = 50
HOLD = 0.002  # seconds that a caller needs its connection for
TIMEOUT = 10.0  # seconds; nobody shall be refused
ROUNDS = 9  # each takes as long as its dials

OURS = "redis_pool_ext"


class Scene(NamedTuple):
    """How slow dials are: the seconds of one, and whether others slow it down."""

    name: str
    seconds: float
    how: str


SCENES = (
    Scene("a far server: a dial takes 150 ms", 0.15, TOGETHER),
    Scene("a busy server: a dial takes 20 ms, one at a time", 0.02, IN_TURN),
)


class Spike(NamedTuple):
    """How one spike went; times in seconds."""

    waits: list[float]  # of those who were served, shortest first
    seconds: float  # to the last one
    opened: int
    errors: int


def measure(effort: Effort) -> Result:
    """Measure both scenes; returns a group of rows and a curve for each."""
    rows: list[Row] = []
    curves = []
    with EmbeddedRedis() as server:
        for scene in SCENES:
            found = _play(server.port, scene, effort.count(ROUNDS))
            rows += [_row(entry, found[entry.name], scene) for entry in CONTENDERS]
            curves.append(_curve(scene, found))
    return Result("spike", TITLE, UNIT, rows, curves=curves, remarks=beaten(rows, "worst", REASONS))


def one_spike(entry: Entry, way: Child) -> Spike:
    """Send all callers to a new pool at once; it connects by way of `way`."""
    before = way.ask("opened")
    with entry.open(way.ask("port")) as pool:
        start = threading.Barrier(CALLERS)
        with ThreadPoolExecutor(CALLERS) as threads:
            calls = [threads.submit(_call, pool, start) for _ in range(CALLERS)]
        waits = sorted(wait for wait, _ in (call.result() for call in calls) if wait is not None)
        began_to_end = max(total for _, total in (call.result() for call in calls))
        opened = way.ask("opened") - before
    return Spike(waits, began_to_end, opened, CALLERS - len(waits))


def _call(pool: Borrowing, start: threading.Barrier) -> tuple[float | None, float]:
    """Return the wait (None: in vain) and the time until the connection was back."""
    start.wait()
    began = time.perf_counter()
    try:
        connection = pool.get()
    except Exception:  # counted; which one it is, is the pool's affair
        return None, time.perf_counter() - began
    wait = time.perf_counter() - began
    time.sleep(HOLD)
    pool.put(connection)
    return wait, time.perf_counter() - began


def _play(port: int, scene: Scene, rounds: int) -> dict[str, list[Spike]]:
    found: dict[str, list[Spike]] = {entry.name: [] for entry in CONTENDERS}
    with Child("benchmarks.slow_dial", str(port), str(scene.seconds), scene.how) as way:
        for turn in range(rounds):
            for entry in rotated(CONTENDERS, turn):
                found[entry.name].append(one_spike(entry, way))
    return found


# -- the pools -------------------------------------------------------------------------------


@contextmanager
def _ours(port: int, **options: Any) -> Iterator[Borrowing]:
    with RedisPool(
        host="127.0.0.1", port=port, max_connections=CALLERS, timeout=TIMEOUT, **options
    ) as pool:
        yield Borrowing(pool.get_connection, pool.release)


@contextmanager
def _blocking(port: int) -> Iterator[Borrowing]:
    pool = redis.BlockingConnectionPool(
        host="127.0.0.1", port=port, max_connections=CALLERS, timeout=TIMEOUT
    )
    try:
        yield Borrowing(pool.get_connection, pool.release)
    finally:
        pool.disconnect()


class _Driver:
    """What psycopg_pool asks of a connection; here one to Redis, that has had one reply."""

    class pgconn:
        """The state of the session: no transaction."""

        transaction_status = TransactionStatus.IDLE

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self._socket.sendall(b"PING\r\n")
        self._socket.recv(64)

    @classmethod
    def connect(cls, conninfo: str, **_options: Any) -> Self:
        """Connect to the port that `conninfo` is."""
        return cls(int(conninfo))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


@contextmanager
def _psycopg(port: int) -> Iterator[Borrowing]:
    driver: Any = _Driver
    with PsycopgPool(
        str(port), connection_class=driver, min_size=0, max_size=CALLERS, timeout=TIMEOUT
    ) as pool:
        yield Borrowing(pool.getconn, pool.putconn)


CONTENDERS = (
    Entry(OURS, _ours, "`max_connecting=2`, the default"),
    Entry(f"{OURS}, 8 dials", partial(_ours, max_connecting=8), "`max_connecting=8`"),
    Entry("redis-py blocking", _blocking, "`redis.BlockingConnectionPool`; dials for each caller"),
    Entry(
        "psycopg_pool",
        _psycopg,
        "its pool with a driver that opens a socket to Redis; `num_workers=3`, the default",
    ),
)


# -- the result ------------------------------------------------------------------------------


def _row(entry: Entry, spikes: Sequence[Spike], scene: Scene) -> Row:
    rounds: dict[str, Any] = {
        "opened": [spike.opened for spike in spikes],
        "p50": [_quantile(spike, 50) for spike in spikes],
        "p99": [_quantile(spike, 99) for spike in spikes],
        "worst": [spike.waits[-1] if spike.waits else TIMEOUT for spike in spikes],
        "all served": [spike.seconds for spike in spikes],
        "errors": [spike.errors for spike in spikes],
    }
    return row(entry.name, rounds, UNIT, note=entry.note, group=scene.name)


def _quantile(spike: Spike, percent: int) -> float:
    if len(spike.waits) < 2:
        return TIMEOUT
    return quantiles(spike.waits, n=100, method="inclusive")[percent - 1]


def _curve(scene: Scene, found: dict[str, list[Spike]]) -> Curve:
    series = {}
    for name, spikes in found.items():
        # The shortest waits of all rounds, then the next: as many as were served in each.
        ranks = zip(*(spike.waits for spike in spikes), strict=False)
        series[name] = [
            (float(place), median(waits) * 1e3) for place, waits in enumerate(ranks, start=1)
        ]
    return Curve(f"Spike, {scene.name}", "callers, in order of their waits", "wait (ms)", series)


# Why a peer's worst wait can be shorter.
REASONS = {
    f"{OURS}, 8 dials": "it is made for the far server, and pays at the busy one",
    "redis-py blocking": "it dials for every caller at once, which is the shortest way where dials "
    "do not slow each other down; the server has all of them at its door, and must keep them",
    "psycopg_pool": "its own threads dial, so a caller takes what is there first, a new connection "
    "or one that came back; with us a caller whose turn it is to dial is bound to its dial",
}
