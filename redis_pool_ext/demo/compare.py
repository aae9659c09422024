"""The same work without a pool and with it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

from ..pool import RedisPool
from . import team
from .server import Server

__all__ = ["COMMANDS", "POOL", "ROUNDS", "THREADS", "Command", "Result", "Side", "compare"]

THREADS = 8
TRIPS = 20  # of each thread in one round: PING, SET, GET
ROUNDS = 5
POOL = 4  # connections; fewer than threads, so that they take turns
COMMANDS = THREADS * TRIPS * 3  # of one side in one round

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """How one side did: seconds of each round, and connections opened in all rounds."""

    seconds: tuple[float, ...]
    connections: int

    @property
    def median_seconds(self) -> float:
        """The round in the middle."""
        return median(self.seconds)

    @property
    def rate(self) -> float:
        """Commands per second in that round."""
        return COMMANDS / self.median_seconds


class Side:
    """One way to run a command; `done` counts them while they run."""

    def __init__(self, name: str, run: Callable[[Command], object]) -> None:
        self.name = name
        self._run = run
        self._done: list[None] = []
        self._seconds: list[float] = []
        self._connections = 0

    @property
    def done(self) -> int:
        """How many commands were run so far."""
        return len(self._done)

    @property
    def result(self) -> Result:
        """What was measured so far."""
        return Result(tuple(self._seconds), self._connections)

    def round(self, server: Server, key: str, look: team.Look) -> None:
        """Let all threads make their trips once, and note how that went."""
        before = server.connections_opened()
        jobs = [partial(self._trips, key)] * THREADS
        spans = team.results(team.start(jobs), look)
        self._connections += server.connections_opened() - before
        self._seconds.append(max(end for _, end in spans) - min(began for began, _ in spans))

    def _trips(self, key: str) -> tuple[float, float]:
        began = time.perf_counter()
        for _ in range(TRIPS):
            for command in (("PING",), ("SET", key, "value", "EX", "60"), ("GET", key)):
                self._run(command)
                self._done.append(None)  # atomic, and no lock between the threads
        return began, time.perf_counter()


def compare(server: Server, look: Callable[[Side, Side], None]) -> tuple[Result, Result]:
    """Measure both sides in turns; return the results without and with a pool.

    `look` is called with both sides, many times a second.
    """
    key = f"redis_pool_ext:demo:{secrets.token_hex(8)}"
    with server.new_pool(POOL) as pool:
        without = Side("a new connection for each command", partial(_anew, server))
        pooled = Side("one pool for all", partial(_pooled, pool))
        for _ in range(ROUNDS):
            without.round(server, key, lambda: look(without, pooled))
            pooled.round(server, key, lambda: look(without, pooled))
        pool.client.delete(key)
    return without.result, pooled.result


def _anew(server: Server, command: Command) -> object:
    with server.new_client() as client:
        return client.execute_command(*command)


def _pooled(pool: RedisPool, command: Command) -> object:
    return pool.client.execute_command(*command)
