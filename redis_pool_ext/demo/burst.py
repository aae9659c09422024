"""A burst of visitors above `max_connections`, in three waves.

The first takes every connection and keeps it longer than others can wait. The second
comes right after and gives up: 503. The third comes when the second has left, so late
that a connection comes back in time: it waits its turn and is served.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from statistics import median

from ..pool import RedisPool
from ..stats import PoolStats
from . import team
from .example import Example
from .failure import DemoError
from .serving import HOST

__all__ = ["SECOND", "THIRD", "Burst", "Reply", "Wave", "burst"]

SECOND, THIRD = 12, 8  # visitors; the first wave is as large as the pool
PATIENCE = 30.0  # seconds for one page, far beyond what any should need


@dataclass(frozen=True, slots=True)
class Reply:
    """What one visitor got, and after how many seconds."""

    status: int
    seconds: float
    retry_after: str | None


@dataclass(slots=True)
class Wave:
    """Visitors who come together; `replies` are those of the answered ones so far."""

    name: str
    page: str
    size: int
    replies: list[Reply] = field(default_factory=list)

    def count(self, status: int) -> int:
        """Return how many visitors got `status` so far."""
        return sum(reply.status == status for reply in self.replies)

    @property
    def seconds(self) -> tuple[float, float]:
        """The median and the worst time to an answer."""
        seconds = [reply.seconds for reply in self.replies]
        return median(seconds), max(seconds)

    @property
    def retry_after(self) -> list[int]:
        """What the 503s said about coming back, in seconds, in order."""
        return sorted(int(reply.retry_after) for reply in self.replies if reply.retry_after)


@dataclass(frozen=True, slots=True)
class Burst:
    """All waves, and what the pool had counted before them and after."""

    waves: tuple[Wave, ...]
    timeout: float
    before: PoolStats
    after: PoolStats

    @property
    def replies(self) -> Iterator[Reply]:
        """Every visitor's reply."""
        return (reply for wave in self.waves for reply in wave.replies)


Look = Callable[[PoolStats, tuple[Wave, ...]], None]


def burst(example: Example, port: int, look: Look) -> Burst:
    """Send the three waves; `look` is called with the pool and the waves as they go.

    Raises `DemoError` when the pages do not behave as the story needs.
    """
    pool = example.pool()
    _warm_up(pool)
    before = pool.stats()
    waves = first, second, third = _waves(example, pool.max_connections)

    def glance() -> None:
        look(pool.stats(), waves)

    holding = _send(first, port)
    _watch_until_full(pool, holding, glance)
    team.results(_send(second, port), glance)
    team.results(_send(third, port) + holding, glance)
    return Burst(waves, pool.timeout, before, _settled(pool))


def _warm_up(pool: RedisPool) -> None:
    """Dial every connection first, so that the first wave does not queue for that."""
    with ExitStack() as leases:
        for _ in range(pool.max_connections):
            leases.enter_context(pool.lease()).ping()


def _waves(example: Example, max_connections: int) -> tuple[Wave, Wave, Wave]:
    return (
        Wave("take every connection", example.slow, max_connections),
        Wave("come too early", example.slow, SECOND),
        Wave("come late enough", example.quick, THIRD),
    )


def _send(wave: Wave, port: int) -> list[Future[None]]:
    def visitor() -> None:
        wave.replies.append(_visit(port, wave.page))

    return team.start([visitor] * wave.size)


def _visit(port: int, page: str) -> Reply:
    """Ask for a page over HTTP, on a connection of one's own, as any visitor does.

    Raises `DemoError` when no answer comes.
    """
    began = time.perf_counter()
    connection = HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        connection.request("GET", page, headers={"Connection": "close"})
        response = connection.getresponse()
        response.read()
    except (OSError, HTTPException) as error:
        raise DemoError(f"The page {page} did not answer: {error!r}") from error
    finally:
        connection.close()
    return Reply(response.status, time.perf_counter() - began, response.getheader("Retry-After"))


def _watch_until_full(pool: RedisPool, holding: list[Future[None]], look: team.Look) -> None:
    """Look on until every connection is out; raises `DemoError` when a holder ends first."""
    while pool.stats().in_use < pool.max_connections:
        if any(holder.done() for holder in holding):
            team.results(holding, look)
            raise DemoError("The slow page did not hold its connection.")
        look()
        time.sleep(team.GLANCE)


def _settled(pool: RedisPool) -> PoolStats:
    """Return the pool's numbers when the last page has given its connection back.

    That is a moment after the visitor has it: at the end of the response.
    """
    end = time.monotonic() + 2
    while (stats := pool.stats()).in_use and time.monotonic() < end:
        time.sleep(0.01)
    return stats
