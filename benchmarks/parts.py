"""Where a leased GET, and the lease around it, spend their time: each part by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from statistics import median
from typing import Any

import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.wire.packing import pack_ordinary

from .harness import Contender, Effort, Result, Row, Run, Target, timed_rows
from .stubs import StubConnection
from .uncounted import UncountedPool

__all__ = ["TITLE", "measure"]

TITLE = "The parts of a leased GET, and of a lease, on a stub socket"

UNIT = {"wall": "us", "cpu": "us"}

GET, LEASE, CYCLE = "a GET on a lease", "a lease", "the pool's cycle"

COUNTED, UNCOUNTED = "with its statistics", "without"


class _Unsent(redis.Redis):
    """redis-py's client as far as the point where ours takes over."""

    def _execute_command(self, *_args: Any, **_options: Any) -> None:
        return None


def measure(effort: Effort) -> Result:
    """Measure each part, in turns; they overlap, as the notes say."""
    rows = []
    for group, parts in ((GET, _of_a_get()), (LEASE, _of_a_lease()), (CYCLE, _of_a_cycle())):
        rows += timed_rows(parts, effort, 5_000, UNIT, group=group)
    return Result("parts", TITLE, UNIT, rows, targets=[_target(rows)])


def _target(rows: list[Row]) -> Target:
    by_name = {each.name: each for each in rows if each.group == CYCLE}
    both = zip(by_name[COUNTED].rounds["wall"], by_name[UNCOUNTED].rounds["wall"], strict=True)
    costs = [counted - uncounted for counted, uncounted in both]
    return Target.at_most(
        "what statistics add to a connection taken and given back: at most 0.15 us",
        median(costs),
        0.15,
    )


def _of_a_get() -> list[Contender]:
    return [
        Contender("redis_pool_ext, a whole GET", partial(_leased, _whole), "`client.get(key)`"),
        Contender(
            "redis-py's method", _method, "`get()` and `execute_command()`, up to where ours begins"
        ),
        Contender("packing", _packing, "the command's bytes, by hiredis"),
        Contender(
            "the exchange", partial(_leased, _exchange), "the lease's turn and checks, and below:"
        ),
        Contender(
            "socket and parser",
            partial(_leased, _socket_and_parser),
            "send, receive, feed, take: on the stub, without the kernel",
        ),
    ]


def _of_a_lease() -> list[Contender]:
    return [
        Contender(
            "redis_pool_ext, lease + GET + return",
            partial(_pooled, _lease_and_get),
            "`with pool.lease() as client: client.get(key)`",
        ),
        Contender(
            "a lease that is not used",
            partial(_pooled, _unused),
            "lease and client are made, and end",
        ),
        Contender(
            "a lease that takes its connection",
            partial(_pooled, _taken),
            "the same, with the connection taken and given back",
        ),
        Contender("the pool's cycle", partial(_pooled, _cycle), "get_connection and release"),
    ]


def _of_a_cycle() -> list[Contender]:
    return [
        Contender(COUNTED, partial(_pooled, _cycle), "get_connection and release, as they are"),
        Contender(
            UNCOUNTED,
            partial(_pooled, _cycle, UncountedPool),
            "the same code, less the lines that count",
        ),
    ]


def _forever(step: Callable[[], Any]) -> Run:
    def run(number: int) -> None:
        for _ in repeat(None, number):
            step()

    return run


@contextmanager
def _method() -> Iterator[Run]:
    client = _Unsent()
    yield _forever(partial(client.get, "key"))


@contextmanager
def _packing() -> Iterator[Run]:
    yield _forever(partial(pack_ordinary, ("GET", "key")))


@contextmanager
def _leased(step_of: Callable[[Any], Callable[[], Any]]) -> Iterator[Run]:
    with RedisPool(StubConnection) as pool, pool.lease() as client:
        client.get("key")
        step = _forever(step_of(client))

        def run(number: int) -> None:
            client.get("key")  # after a pause the first command takes the long way
            step(number)

        yield run


def _whole(client: Any) -> Callable[[], Any]:
    return partial(client.get, "key")


def _exchange(client: Any) -> Callable[[], Any]:
    packed = pack_ordinary(("GET", "key"))
    return partial(client.connection_pool.exchange, "GET", packed)


def _socket_and_parser(client: Any) -> Callable[[], Any]:
    packed = pack_ordinary(("GET", "key"))
    send, receive, buffer, feed, take = client.connection_pool.held[0].lane

    def step() -> Any:
        send(packed)
        feed(buffer, 0, receive(buffer))
        return take()

    return step


@contextmanager
def _pooled(
    step_of: Callable[[RedisPool], Callable[[], Any]], kind: type[RedisPool] = RedisPool
) -> Iterator[Run]:
    with kind(StubConnection) as pool:
        with pool.lease() as client:
            client.get("key")
        yield _forever(step_of(pool))


def _lease_and_get(pool: RedisPool) -> Callable[[], Any]:
    def step() -> None:
        with pool.lease() as client:
            client.get("key")

    return step


def _unused(pool: RedisPool) -> Callable[[], Any]:
    def step() -> None:
        with pool.lease():
            pass

    return step


def _taken(pool: RedisPool) -> Callable[[], Any]:
    def step() -> None:
        with pool.lease() as client:
            client.connection_pool.take()

    return step


def _cycle(pool: RedisPool) -> Callable[[], Any]:
    return lambda: pool.release(pool.get_connection())
