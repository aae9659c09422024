"""What a request with a budget owes its visitor; each wing runs this on a site of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic

import pytest

from redis_pool_ext import RedisPool

from .server import Server

BUDGET = 1.0  # seconds
LATEST = 1.1

# Of tests/budget/calls.py, where all of them are tried: a view that is content without Redis, and
# one that waits on purpose, on a connection of its own.
CALLS = ("twenty commands", "listen")

# One visitor of a view that makes this call: the status of the answer.
Ask = Callable[[str], int]


@pytest.fixture
def stalled() -> Iterator[Server]:
    """A server of this test's own, to be frozen."""
    with Server() as server:
        yield server
        server.thaw()


def assert_ends_in_time(server: Server, pool: RedisPool, ask: Ask, call: str) -> None:
    """Ask while the server answers nothing, on a connection that it knew before.

    One of three has to: a machine that is busy has pauses of its own.
    """
    assert any(_seconds(server, ask, call) < LATEST for _ in range(3))
    stats = pool.stats()
    assert (stats.in_use, stats.connecting, stats.waiting) == (0, 0, 0)


def _seconds(server: Server, ask: Ask, call: str) -> float:
    server.thaw()
    assert ask("read") == 200
    server.freeze()
    began = monotonic()
    assert ask(call) == 503
    return monotonic() - began
