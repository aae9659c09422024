"""A crowd that a real pool is offered, over a real server, no matter how the last ones fared."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any, NamedTuple

import redis

from redis_pool_ext import RedisPool

from .crowd import threads
from .entries import Borrowing, Entry
from .harness import OURS
from .outcome import Outcome, Request
from .simulation import at_random
from .storms import Discipline

__all__ = ["BY_TARGET", "CONTENDERS", "THEIRS", "Contender", "Plan", "capacity", "offer"]

CONNECTIONS = 4
WORK = 0.008  # seconds between a request's two commands
PATIENCE = 0.2  # seconds, of the visitor; the pool's timeout is the same
AIM = 0.01  # seconds, the queue's target
INTERVAL = 0.1  # seconds for which it may be missed
QUEUE = CONNECTIONS * round(2 * AIM / WORK)  # those who can be served in twice the target
SLACK = 0.1  # seconds by which a thread's next request comes after its last one can end


class Contender(NamedTuple):
    """A pool that takes part, and what it is on paper."""

    entry: Entry
    discipline: Discipline

    @property
    def name(self) -> str:
        """What it is called in the table."""
        return self.entry.name


class Plan(NamedTuple):
    """Who comes when: the same for the same seed, for all pools and on paper."""

    arrivals: list[float]  # seconds since the start
    most: float  # a second
    begin: float  # the figures are those from here
    end: float

    @classmethod
    def of(cls, phases: Sequence[tuple[float, float]], seed: int, warm: float = 0.0) -> Plan:
        """Plan phases of so many seconds, with so many arrivals a second in each."""
        arrivals, begin, random = [], 0.0, Random(seed)
        for seconds, rate in phases:
            arrivals += [begin + at for at in at_random(random, seconds, rate)]
            begin += seconds
        return cls(arrivals, max(rate for _, rate in phases), warm * begin, begin)


def capacity(port: int, seconds: float) -> float:
    """Return how many requests a second this machine serves, each thread its connection."""
    done = [0] * CONNECTIONS
    with _ours(port) as pool:

        def work(number: int) -> None:
            connection = pool.get()
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                _hold(connection)
                done[number] += 1
            pool.put(connection)

        began = time.perf_counter()
        with threads([partial(work, number) for number in range(CONNECTIONS)]):
            pass
        return sum(done) / (time.perf_counter() - began)


def offer(entry: Entry, port: int, plan: Plan) -> Outcome:
    """Let requests arrive as planned."""
    # Each thread has its own arrivals, so far apart that the one before has ended: nobody
    # hands them out, and nobody is late because another request took long.
    crowd = round(plan.most * (PATIENCE + WORK + SLACK)) + CONNECTIONS
    with entry.open(port) as pool:
        ready = threading.Barrier(crowd + 1)
        start: list[float] = []
        found: list[list[Request]] = [[] for _ in range(crowd)]

        def visit(number: int) -> None:
            ready.wait()
            ready.wait()
            for at in plan.arrivals[number::crowd]:
                found[number].append(_request(pool, start[0], at))

        def begin() -> None:
            ready.wait()
            start.append(time.perf_counter() + SLACK)
            ready.wait()

        with threads([begin, *(partial(visit, number) for number in range(crowd))]):
            pass
    return Outcome([each for some in found for each in some], plan.begin, plan.end)


def _request(pool: Borrowing, start: float, at: float) -> Request:
    arrival = start + at
    time.sleep(max(0.0, arrival - time.perf_counter()))
    late = time.perf_counter() - arrival
    try:
        connection = pool.get()
    except redis.ConnectionError:
        return Request(at, time.perf_counter() - arrival, False, late)
    taken = _given_at(connection)
    _hold(connection)
    pool.put(connection)
    end = time.perf_counter()
    return Request(at, end - arrival, True, late, end - taken)


def _given_at(connection: Any) -> float:
    """Return when a connection was given to who has it; that thread had to wake up first.

    redis-py's pool does not say, so it is the moment in which it ran.
    """
    now = time.perf_counter()
    slot = getattr(connection, "slot", None)
    return now if slot is None else now - (time.monotonic() - slot.taken_at)


def _hold(connection: Any) -> None:
    """Do what a request keeps its connection for."""
    connection.send_command("GET", "key")
    connection.read_response()
    time.sleep(WORK)
    connection.send_command("GET", "key")
    connection.read_response()


# -- the pools -------------------------------------------------------------------------------


@contextmanager
def _ours(port: int, **settings: Any) -> Iterator[Borrowing]:
    with RedisPool(host="127.0.0.1", port=port, max_connections=CONNECTIONS, **settings) as pool:
        yield _filled(pool)


@contextmanager
def _blocking(port: int) -> Iterator[Borrowing]:
    pool = redis.BlockingConnectionPool(host="127.0.0.1", port=port, max_connections=CONNECTIONS)
    try:
        yield _filled(pool)
    finally:
        pool.disconnect()


def _filled(pool: Any) -> Borrowing:
    """Make all connections before the timeout is set: this is not about dials."""
    for connection in [pool.get_connection() for _ in range(CONNECTIONS)]:
        pool.release(connection)
    pool.timeout = PATIENCE
    return Borrowing(pool.get_connection, pool.release)


def _contender(name: str, note: str, **settings: Any) -> Contender:
    return Contender(Entry(name, partial(_ours, **settings), note), Discipline(name, settings))


BY_TARGET = f"{OURS}, codel"
BY_LENGTH = f"{OURS}, max_waiting"
THEIRS = "redis-py blocking"

CONTENDERS = (
    _contender(
        BY_TARGET,
        f'`queue_discipline="codel", queue_target={AIM:g}, queue_interval={INTERVAL:g}`, and '
        f"`timeout={PATIENCE:g}` as all of them",
        queue_discipline="codel",
        queue_target=AIM,
        queue_interval=INTERVAL,
    ),
    _contender(BY_LENGTH, f"`max_waiting={QUEUE}`", max_waiting=QUEUE),
    _contender(f"{OURS}, fifo", "as it comes: in order of arrival, until the timeout"),
    Contender(Entry(THEIRS, _blocking, "`redis.BlockingConnectionPool`"), Discipline(THEIRS, None)),
)
