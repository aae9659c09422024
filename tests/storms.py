"""Storms of alarms over a pool, as a program of their own: `python -m tests.storms`.

An alarm raises between any two byte codes of the main thread, also in finalizers and in
whatever a test runner does meanwhile; so a storm has its own process, and prints what it
saw as JSON.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import redis

from redis_pool_ext import RedisPool


class Alarm(BaseException):
    """What a gevent.Timeout, a worker's time limit or Ctrl-C looks like."""


def strike(_signal: int, _frame: object) -> None:
    raise Alarm


def storm(seconds: float, longest: float, work: Callable[[], None]) -> dict[str, int]:
    """Do `work` over and over, each time with an alarm within `longest` seconds."""
    seen = {"runs": 0, "struck": 0, "errors": 0}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen["runs"] += 1
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00002, longest))
                work()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Alarm:
            seen["struck"] += 1
        except (redis.RedisError, UnboundLocalError):  # the latter: redis-py 6.4, when struck
            seen["errors"] += 1
    return seen


def over_one_lease(pool: RedisPool, seconds: float) -> dict[str, Any]:
    """One client lives through the whole storm."""
    wrong: list[str] = []
    number = 0
    with pool.lease() as client:

        def work() -> None:
            nonlocal number
            number += 1
            text = b"%d" % number
            reply = client.echo(text)
            if reply != text:
                wrong.append(repr((text, reply)))

        seen = storm(seconds, 0.002, work)
    return {**seen, "wrong": wrong}


def over_many_leases(pool: RedisPool, seconds: float) -> dict[str, Any]:
    """Leases begin, work and end under fire, beside a thread that is not struck."""
    wrong: list[str] = []
    served = [0]
    stop = threading.Event()

    def beside() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with pool.lease() as client:
                reply = client.echo(b"beside %d" % number)
                served[0] += 1
                if reply != b"beside %d" % number:
                    wrong.append(repr(reply))

    def work() -> None:
        with pool.lease() as client:
            replies = client.pipeline().echo(b"secret").echo(b"secret").execute()
            if replies != [b"secret", b"secret"]:
                wrong.append(repr(replies))

    thread = threading.Thread(target=beside)
    thread.start()
    try:
        seen = storm(seconds, 0.001, work)
    finally:
        stop.set()
        thread.join()
    return {**seen, "wrong": wrong, "served_beside": served[0]}


def take_all(pool: RedisPool) -> None:
    """Take every connection that the pool may have, and give them back."""
    taken = [pool.get_connection() for _ in range(pool.max_connections)]
    for connection in taken:
        pool.release(connection)


def main(name: str, url: str, protocol: str, seconds: str) -> None:
    """Run one storm and print what was seen, and what was left of the pool."""
    sys.unraisablehook = lambda _unraisable: None  # alarms in finalizers, as they must come
    signal.signal(signal.SIGALRM, strike)
    pool = RedisPool.from_url(url, protocol=int(protocol), max_connections=2, timeout=5.0)
    take_all(pool)  # a first dial imports modules; an import must not be struck half-way
    seen = globals()[name](pool, float(seconds))
    left = pool.stats()
    take_all(pool)
    seen |= {"in_use": left.in_use, "connecting": left.connecting, "waiting": left.waiting}
    print(json.dumps(seen | {"idle": pool.stats().idle, "discarded": dict(left.discarded)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
