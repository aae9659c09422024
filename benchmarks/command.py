"""One GET: on a stub socket, with all that a request needs around it, and over loopback."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import repeat
from typing import Any

import hiredis
import redis

from redis_pool_ext import RedisPool

from .harness import (
    Contender,
    Effort,
    Result,
    Row,
    Run,
    Target,
    beaten,
    timed_rows,
    with_ratios,
)
from .one_key import KEPT_FOR_NONE, NO_ACCOUNT, serving_key
from .stubs import StubConnection

__all__ = ["TITLE", "measure"]

TITLE = "One GET: stub socket, a whole lease, loopback"

STUB = "GET, stub socket"
REQUEST = "client + GET + return, stub socket"
LOOPBACK = "GET, loopback"

UNIT = {"wall": "us", "cpu": "us", "ratio": "x"}

OURS = "redis_pool_ext, leased"
POOLED = "redis-py, pooled"
PINNED = "redis-py, pinned"
PER_REQUEST = "redis-py, a client per request"
ONE_FOR_ALL = "redis-py, one client for all"
BARE = "bare socket + hiredis"
BARE_UNTIMED = "bare socket + hiredis, no timeout"

REASONS = {
    BARE: "the floor: it packs, sends, receives and parses, and knows no errors, no retries, "
    "no reply callbacks and no other commands",
    BARE_UNTIMED: "the floor of a client that waits for ever: without a timeout Python asks the "
    "kernel to receive at once, with one it asks first whether there is something to receive",
    PINNED: NO_ACCOUNT,
    ONE_FOR_ALL: KEPT_FOR_NONE,
}


def measure(effort: Effort) -> Result:
    """Measure the three, each among its peers."""
    with serving_key() as options:
        rows = [
            *_rows(STUB, _pinned_and_pooled(StubConnection, {}), effort, 2_000),
            *_rows(REQUEST, _requests(), effort, 1_000),
            *_rows(
                LOOPBACK,
                [*_pinned_and_pooled(redis.Connection, options), *_bare(options)],
                effort,
                1_000,
            ),
        ]
    return Result(
        "command",
        TITLE,
        UNIT,
        rows,
        targets=_targets(rows),
        remarks=beaten(rows, "wall", REASONS),
        ratio_of="wall",
    )


def _rows(group: str, contenders: Sequence[Contender], effort: Effort, number: int) -> list[Row]:
    return with_ratios(timed_rows(contenders, effort, number, UNIT, group=group), "wall")


def _targets(rows: list[Row]) -> list[Target]:
    ratios = {(each.group, each.name): each.values["ratio"] for each in rows}
    at_least, at_most = Target.at_least, Target.at_most
    return [
        at_least(
            "GET on a stub socket against redis-py's pooled client: at least 3.5 times",
            ratios[STUB, POOLED],
            3.5,
        ),
        at_least(
            "GET on a stub socket against redis-py's pinned client: at least 1.8 times",
            ratios[STUB, PINNED],
            1.8,
        ),
        at_least(
            "lease + GET + return against a client per request: at least 10 times",
            ratios[REQUEST, PER_REQUEST],
            10.0,
        ),
        at_most(
            "GET over loopback over the bare socket with the same timeout: at most 1.10",
            1.0 / ratios[LOOPBACK, BARE],
            1.10,
        ),
    ]


# -- who takes part ------------------------------------------------------------------------


def _pinned_and_pooled(connection_class: type[Any], options: dict[str, Any]) -> list[Contender]:
    """Return the ways to run many commands on a client that is there."""
    how = connection_class, options
    return [
        Contender(OURS, partial(_ours_leased, *how), "`with pool.lease() as client`, once"),
        Contender(
            "redis_pool_ext, pooled",
            partial(_pooled, RedisPool, *how),
            "`pool.client`, which borrows a connection per command",
        ),
        Contender(
            PINNED,
            partial(_pinned, *how),
            "`Redis(connection_pool=pool, single_connection_client=True)`, once",
        ),
        Contender(
            POOLED, partial(_pooled, redis.ConnectionPool, *how), "`Redis(connection_pool=pool)`"
        ),
        Contender(
            "redis-py, blocking pool",
            partial(_pooled, redis.BlockingConnectionPool, *how),
            "`Redis(connection_pool=BlockingConnectionPool(...))`",
        ),
    ]


def _requests() -> list[Contender]:
    """Return the ways to come by a client, run one command, and be done."""
    return [
        Contender("redis_pool_ext, a lease", _ours_per_request, "`with pool.lease() as client`"),
        Contender(
            PER_REQUEST,
            partial(_client_per_request, single_connection_client=False),
            "`Redis(connection_pool=pool)`, made anew each time on one pool",
        ),
        Contender(
            "redis-py, a pinned client per request",
            partial(_client_per_request, single_connection_client=True),
            "`with Redis(connection_pool=pool, single_connection_client=True) as client`",
        ),
        Contender(
            ONE_FOR_ALL,
            partial(_pooled, redis.ConnectionPool, StubConnection, {}),
            "`Redis(connection_pool=pool)`, made once: a connection per command, none per request",
        ),
    ]


def _bare(options: dict[str, Any]) -> list[Contender]:
    """Return the floor: nothing between the socket and the parser."""
    return [
        Contender(
            BARE,
            partial(_bare_socket, options),
            "pack, sendall, recv_into, feed, gets; TCP_NODELAY and the clients' socket timeout",
        ),
        Contender(
            BARE_UNTIMED,
            partial(_bare_socket, options | {"socket_timeout": None}),
            "the same, and waits for ever",
        ),
    ]


# -- how they do it ------------------------------------------------------------------------


def _repeated_get(client: Any) -> Run:
    get = client.get
    if get("key") != b"hello":
        raise RuntimeError("the server does not answer as it should")

    def run(number: int) -> None:
        for _ in repeat(None, number):
            get("key")

    return run


@contextmanager
def _ours_leased(connection_class: type[Any], options: dict[str, Any]) -> Iterator[Run]:
    with RedisPool(connection_class, **options) as pool, pool.lease() as client:
        yield _repeated_get(client)


@contextmanager
def _pooled(
    pool_class: Callable[..., Any], connection_class: type[Any], options: dict[str, Any]
) -> Iterator[Run]:
    pool = pool_class(connection_class=connection_class, **options)
    with closing(pool):
        yield _repeated_get(redis.Redis(connection_pool=pool))


@contextmanager
def _pinned(connection_class: type[Any], options: dict[str, Any]) -> Iterator[Run]:
    pool = redis.ConnectionPool(connection_class=connection_class, **options)
    with (
        closing(pool),
        redis.Redis(connection_pool=pool, single_connection_client=True) as client,
    ):
        yield _repeated_get(client)


@contextmanager
def _ours_per_request() -> Iterator[Run]:
    with RedisPool(StubConnection) as pool:

        def run(number: int) -> None:
            for _ in repeat(None, number):
                with pool.lease() as client:
                    client.get("key")

        yield run


@contextmanager
def _client_per_request(*, single_connection_client: bool) -> Iterator[Run]:
    pool = redis.ConnectionPool(connection_class=StubConnection)

    def run(number: int) -> None:
        for _ in repeat(None, number):
            with redis.Redis(
                connection_pool=pool, single_connection_client=single_connection_client
            ) as client:
                client.get("key")

    with closing(pool):
        yield run


@contextmanager
def _bare_socket(options: dict[str, Any]) -> Iterator[Run]:
    with socket.create_connection((options["host"], options["port"])) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(options["socket_timeout"])
        pack, send, receive = hiredis.pack_command, sock.sendall, sock.recv_into
        # Its types say less than it takes.
        reader: Any = hiredis.Reader(notEnoughData=None)
        command: Any = ("GET", "key")
        buffer = bytearray(65536)

        def run(number: int) -> None:
            for _ in repeat(None, number):
                send(pack(command))
                while (reply := reader.gets()) is None:
                    reader.feed(buffer, 0, receive(buffer))
                if reply != b"hello":
                    raise RuntimeError("the server does not answer as it should")

        yield run
