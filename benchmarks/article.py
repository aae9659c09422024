"""A connection per call, and a pool: what started this project."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, NamedTuple

import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.embedded import EmbeddedRedis

from .crowd import all_at_once
from .harness import Contender, Effort, Result, Row, Run, beaten, row, timings, with_ratios

__all__ = ["TITLE", "measure"]

THREADS = 8
CONNECTIONS = 4  # fewer than threads, so that they take turns
COMMANDS = 3  # of a trip: PING, SET, GET

TITLE = (
    f"A connection per call, and a pool: {THREADS} threads, {CONNECTIONS} connections, "
    "PING + SET + GET"
)

UNIT = {"wall": "us", "cpu": "us", "rate": "1/s", "opened": "", "ratio": "x"}

Trip = Callable[[], object]


class Opened(NamedTuple):
    """How many connections the server has accepted for so many commands."""

    connections: list[int]
    commands: list[int]

    def per_thousand(self) -> float:
        """Return the connections per thousand commands, from the first one on."""
        return 1000 * sum(self.connections) / sum(self.commands)


def measure(effort: Effort) -> Result:
    """Let the threads make their trips, each way in turn; time is per command."""
    with EmbeddedRedis() as server, redis.Redis(host=server.host, port=server.port) as admin:
        ways = {
            "redis_pool_ext": (_ours, "a lease per trip, from one pool"),
            "redis-py blocking": (_blocking, "one client on a `BlockingConnectionPool`"),
            "a connection per call": (_anew, "`with redis.Redis(host, port) as client`"),
        }
        opened = {name: Opened([], []) for name in ways}
        contenders = [
            Contender(name, partial(_travelling, way, server, admin, opened[name]), note)
            for name, (way, note) in ways.items()
        ]
        found = timings(contenders, rounds=effort.rounds, number=effort.count(40))
    rows = [_row(each, *found[each.name], opened[each.name]) for each in contenders]
    rows = with_ratios(rows, "wall")
    return Result(
        "article",
        TITLE,
        UNIT,
        rows,
        remarks=[
            "opened: connections that the server has accepted per thousand commands "
            "(`INFO stats`, `total_connections_received`)",
            *beaten(
                rows, "wall", {"redis-py blocking": "it serves whoever comes first to the lock"}
            ),
        ],
        ratio_of="wall",
    )


def _row(each: Contender, wall: list[float], cpu: list[float], opened: Opened) -> Row:
    commands = THREADS * COMMANDS
    rounds = {
        "wall": [seconds / commands for seconds in wall],
        "cpu": [seconds / commands for seconds in cpu],
        "rate": [commands / seconds for seconds in wall],
        "opened": [opened.per_thousand()],
    }
    return row(each.name, rounds, UNIT, note=each.note)


@contextmanager
def _travelling(
    way: Callable[[EmbeddedRedis], Any], server: EmbeddedRedis, admin: redis.Redis, opened: Opened
) -> Iterator[Run]:
    with way(server) as trip:

        def work(number: int) -> None:
            for _ in range(number):
                trip()

        def run(number: int) -> None:
            before = _accepted(admin)
            all_at_once([partial(work, number)] * THREADS)
            opened.connections.append(_accepted(admin) - before)
            opened.commands.append(number * THREADS * COMMANDS)

        yield run


def _accepted(admin: redis.Redis) -> int:
    stats: Any = admin.info("stats")
    return int(stats["total_connections_received"])


def _three_commands(client: redis.Redis) -> None:
    client.ping()
    client.set("key", "value", ex=60)
    client.get("key")


@contextmanager
def _ours(server: EmbeddedRedis) -> Iterator[Trip]:
    with RedisPool.from_url(server.url, max_connections=CONNECTIONS, timeout=60) as pool:

        def trip() -> None:
            with pool.lease() as client:
                _three_commands(client)

        yield trip


@contextmanager
def _blocking(server: EmbeddedRedis) -> Iterator[Trip]:
    pool = redis.BlockingConnectionPool.from_url(
        server.url, max_connections=CONNECTIONS, timeout=60
    )
    with closing(pool):
        yield partial(_three_commands, redis.Redis(connection_pool=pool))


@contextmanager
def _anew(server: EmbeddedRedis) -> Iterator[Trip]:
    def call(name: str, *args: Any, **options: Any) -> None:
        with redis.Redis(host=server.host, port=server.port) as client:
            getattr(client, name)(*args, **options)

    def trip() -> None:
        call("ping")
        call("set", "key", "value", ex=60)
        call("get", "key")

    yield trip
