"""A pool in front of a fault: what is struck, how long it took, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.books.circuit import BACKOFF_BASE
from redis_pool_ext.connection import GuardedConnection
from redis_pool_ext.deadline import Deadline

from ..support.clock import Metronome

KEY, VALUE = "key", b"value"


class Scene:
    """One pool, one fault, and what came of it.

    `begin` and `end` switch the fault, `server` is a client that it does not touch.
    """

    def __init__(
        self,
        pool: RedisPool,
        server: redis.Redis,
        clock: Metronome,
        *,
        begin: Callable[[], None],
        end: Callable[[], None],
    ) -> None:
        self.pool = pool
        self.server = server
        self.clock = clock
        self.outcome: type[BaseException] | None = None
        self._begin, self._end = begin, end

    def meet(self, work: Callable[[], Any], seconds: float) -> None:
        """Let the fault strike a piece of work, which has so many seconds; then end it."""
        self._begin()
        try:
            with self.clock.bounded(seconds):
                work()
        except redis.RedisError as error:
            self.outcome = type(error)
        finally:
            self._end()

    def assert_recovered(self) -> None:
        """The fault is over: it costs nobody a second error, and no slot was lost."""
        with self.clock.bounded(BACKOFF_BASE):
            assert serves(self.pool)
        assert_whole(self.pool)


def connections(pool: RedisPool) -> list[GuardedConnection]:
    """Return all that the pool has, idle and in use."""
    found = [slot.connection() for slot in pool._ledger.slots() if slot.connection is not None]
    return [connection for connection in found if connection is not None]


def serves(pool: RedisPool) -> bool:
    try:
        return bool(pool.client.ping())
    except redis.RedisError:
        return False


def assert_whole(pool: RedisPool) -> None:
    """Every slot is there, and whoever borrows it gets the replies to their own questions."""
    stats = pool.stats()
    assert (stats.in_use, stats.waiting, stats.connecting) == (0, 0, 0), stats

    patient = Deadline(10)
    taken = [pool.get_connection(deadline=patient) for _ in range(pool.max_connections)]
    questions = [f"question {number}".encode() for number in range(len(taken))]
    for connection, question in zip(taken, questions, strict=True):
        connection.send_command("ECHO", question)
    answers = [connection.read_response() for connection in taken]
    for connection in taken:
        pool.release(connection)

    assert answers == questions
    assert pool.stats().idle == pool.max_connections
