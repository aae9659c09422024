"""Forks at random moments of a busy program: `python -m tests.runtimes.fork_storm`."""

from __future__ import annotations

import faulthandler
import json
import os
import random
import sys
import threading
import time
import warnings

from redis_pool_ext import RedisPool, configure, get_pool, get_redis, lease_scope

from ..support.forks import PATIENCE

THREADS = 4


def work(stop: threading.Event, wrong: list[str], served: list[int]) -> None:
    """Lease, pipeline and borrow, until told to stop; each reply is this thread's own."""
    mine = b"%d" % threading.get_ident()
    while not stop.is_set():
        with lease_scope():
            replies = [get_redis().echo(mine), *get_redis().pipeline().echo(mine).execute()]
        replies.append(get_redis().echo(mine))
        served[0] += 1
        if set(replies) != {mine}:
            wrong.append(repr(replies))


def in_child(pool: RedisPool) -> None:
    """Use pools at once, from two threads; raises where a reply is not the child's own."""
    assert pool.stats().in_use == 0
    mine = b"child %d" % os.getpid()
    wrong: list[str] = []
    thread = threading.Thread(target=lambda: wrong.append(repr(get_redis().echo(mine))))
    thread.start()
    with lease_scope():
        assert get_redis().echo(mine) == mine
    thread.join()
    assert wrong == [repr(mine)]


def fork(pool: RedisPool) -> int:
    """Fork once; return the child's exit status, -1 when it was stuck."""
    pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(PATIENCE / 2)
        status = 1
        try:
            in_child(pool)
            status = 0
        finally:
            os._exit(status)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.0005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return -1


def main(url: str, count: str) -> None:
    """Fork `count` times under load, and print what was seen."""
    warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
    configure({"default": {"URL": url, "MAX_CONNECTIONS": 3, "TIMEOUT": 30}})
    pool = get_pool()
    stop, wrong, served = threading.Event(), [], [0]
    threads = [threading.Thread(target=work, args=(stop, wrong, served)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    children = []
    for _ in range(int(count)):
        time.sleep(random.uniform(0, 0.01))
        if random.random() < 0.3:
            pool.disconnect()  # so that some are dialling, too
        children.append(fork(pool))
    stop.set()
    for thread in threads:
        thread.join()
    left = pool.stats()
    numbers = {"in_use": left.in_use, "connecting": left.connecting, "waiting": left.waiting}
    print(json.dumps({"children": children, "wrong": wrong, "served": served[0]} | numbers))


if __name__ == "__main__":
    main(*sys.argv[1:])
