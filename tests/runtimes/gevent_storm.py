"""Greenlets over a pool, patched as it should be: `python -m tests.runtimes.gevent_storm`."""

# ruff: noqa: E402  the patch comes before all other imports
from gevent import monkey

monkey.patch_all()

import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import gevent
import gevent.pool
import redis

from redis_pool_ext import RedisPool

GREENLETS, CONNECTIONS = 50, 3


def work(pool: RedisPool, mine: bytes, wrong: list[str]) -> None:
    """Lease, command, pipeline, transaction: each reply has to be this greenlet's own."""
    with pool.lease() as client:
        replies = [client.echo(mine), *client.pipeline().echo(mine).echo(mine).execute()]
        with client.pipeline() as pipeline:
            pipeline.watch("k")
            replies.append(pipeline.echo(mine))
    if set(replies) != {mine}:
        wrong.append(repr((mine, replies)))


def fair(pool: RedisPool, rounds: int) -> dict[str, Any]:
    """Everybody does the same; nobody gets far ahead of the others."""
    served, wrong, ahead = [0] * GREENLETS, [], 0

    def live(number: int) -> None:
        nonlocal ahead
        for _ in range(rounds):
            work(pool, b"%d" % number, wrong)
            served[number] += 1
            ahead = max(ahead, max(served) - min(served))

    gevent.joinall([gevent.spawn(live, n) for n in range(GREENLETS)], raise_error=True)
    return {"served": served, "wrong": wrong, "ahead": ahead}


def killed(pool: RedisPool, seconds: int) -> dict[str, Any]:
    """Greenlets are killed, or run into a gevent.Timeout, wherever they are."""
    wrong: list[str] = []
    seen = {"done": 0, "timeouts": 0, "killed": 0, "errors": 0}
    group = gevent.pool.Pool(GREENLETS)

    def live(number: int) -> None:
        try:
            with gevent.Timeout(random.expovariate(1 / 0.02)):
                work(pool, b"%d" % number, wrong)
            seen["done"] += 1
        except gevent.Timeout:
            seen["timeouts"] += 1
        except gevent.GreenletExit:
            seen["killed"] += 1
            raise
        except redis.RedisError:
            seen["errors"] += 1

    number = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        number += 1
        greenlet = group.spawn(live, number)
        if random.random() < 0.3:
            gevent.spawn_later(random.expovariate(1 / 0.01), greenlet.kill, block=False)
    group.join()
    return {**seen, "wrong": wrong}


def shared(pool: RedisPool, rounds: int) -> dict[str, Any]:
    """One lease, many greenlets: they take turns."""
    wrong: list[str] = []
    with pool.lease() as client:

        def live(number: int) -> None:
            replies = {client.echo(number) for _ in range(rounds)}
            if replies != {b"%d" % number}:
                wrong.append(repr((number, replies)))

        gevent.joinall([gevent.spawn(live, n) for n in range(GREENLETS)], raise_error=True)
    return {"wrong": wrong}


def main(name: str, url: str, size: str) -> None:
    """Run one storm; print what was seen, and what was left of the pool."""
    scenes: dict[str, Callable[..., dict[str, Any]]] = {
        "fair": fair,
        "killed": killed,
        "shared": shared,
    }
    pool = RedisPool.from_url(url, max_connections=CONNECTIONS, timeout=30, min_idle=1)
    seen = scenes[name](pool, int(size))
    left = pool.stats()
    numbers = {"in_use": left.in_use, "connecting": left.connecting, "waiting": left.waiting}
    taken = [pool.get_connection() for _ in range(CONNECTIONS)]
    for connection in taken:
        pool.release(connection)
    print(
        json.dumps(
            seen | numbers | {"idle": pool.stats().idle, "lost": left.discarded.get("lost", 0)}
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
