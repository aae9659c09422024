"""fork() at every place of another thread's work, and at random: no child is ever stuck."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from redis_pool_ext import RedisPool, close_pools, configure, get_pool, get_redis

from ..support.forks import FORK_WARNS, fork_without_hooks, in_child
from ..support.strikes import run_visited
from ..support.threads import spawn

pytestmark = FORK_WARNS

LONG = os.environ.get("REDIS_POOL_EXT_LONG") == "1"
STRIDE = 3 if LONG else 53  # of a thousand places and more

forks = pytest.mark.parametrize("fork", [os.fork, fork_without_hooks], ids=["fork", "in-C"])


class Halt:
    """Where a thread stops in the middle of its work, until it is let go."""

    def __init__(self) -> None:
        self.reached, self._may_go = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self._may_go.wait(60)

    def let_go(self) -> None:
        self._may_go.set()


def halted_everywhere(work: Callable[[], object]) -> Iterator[str | None]:
    """Do `work` in a thread that halts at one place, then at the next; yield at each halt."""
    where: str | None = ""
    place = 0
    while where is not None:
        halt = Halt()
        thread = spawn(run_to_the_end, work, halt, place)
        halt.reached.wait()
        yield
        halt.let_go()
        where = thread.result()
        place += STRIDE


def run_to_the_end(work: Callable[[], object], halt: Halt, place: int) -> str | None:
    try:
        return run_visited(work, halt, place)
    finally:
        halt.reached.set()  # also when the work was over before that place


@forks
def test_child_is_never_stuck_wherever_another_thread_is_in_the_pool(url, fork):
    """Dial, lend, command, warning, pubsub, return: each place of them, held for ever."""
    pool = RedisPool.from_url(url, max_connections=2)

    def work() -> None:
        with pool.lease() as client:
            assert client.echo("parent") == b"parent"
            client.pubsub().close()
            client.select(3)  # what a warning is logged for
        assert pool.client.echo("parent") == b"parent"
        pool.disconnect()

    def child() -> None:
        assert pool.stats().in_use == 0
        with pool.lease() as client:
            assert client.echo("child") == b"child"
            client.pubsub().close()
            client.select(3)
        assert pool.client.echo("child") == b"child"
        pool.close()

    places = 0
    for _ in halted_everywhere(work):
        in_child(child, fork)
        places += 1
        pool = RedisPool.from_url(url, max_connections=2)
    assert places > 1000 / STRIDE


@forks
def test_child_is_never_stuck_wherever_another_thread_is_in_the_registry(url, fork):
    """configure(), get_pool() and close_pools(), halted anywhere in another thread."""

    def work() -> None:
        configure({"default": url, "other": url})
        get_pool("other")
        configure({"default": url})
        close_pools()

    def child() -> None:
        close_pools()
        configure({"default": url})
        assert get_redis().echo("child") == b"child"

    places = 0
    for _ in halted_everywhere(work):
        in_child(child, fork)
        places += 1
    assert places > 500 / STRIDE


def test_child_is_not_stuck_while_another_thread_is_in_a_log_handler(url):
    """The parent's thread writes its warning for ever; the child writes one of its own."""
    halt = Halt()
    parent = os.getpid()
    lines: list[str] = []

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())
            if os.getpid() == parent:
                halt()

    def warn() -> None:
        with pool.lease() as client:
            client.select(3)

    def child() -> None:
        lines.clear()
        warn()
        assert "left in SELECT" in lines[0]

    logger, handler = logging.getLogger("redis_pool_ext"), Slow()
    logger.addHandler(handler)
    try:
        with RedisPool.from_url(url) as pool:
            thread = spawn(warn)
            halt.reached.wait(10)
            in_child(child)
            halt.let_go()
            thread.result()
    finally:
        logger.removeHandler(handler)


def test_many_forks_under_load_leave_parent_and_children_unharmed(url):
    """Four threads at work, forks at random moments: every reply right, nobody stuck."""
    count = "400" if LONG else "40"
    program = [sys.executable, "-m", "tests.runtimes.fork_storm", url, count]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    seen = json.loads(ended.stdout)
    assert seen["children"] == [0] * int(count)
    assert seen["wrong"] == []
    assert seen["served"] > 100
    assert (seen["in_use"], seen["connecting"], seen["waiting"]) == (0, 0, 0)


def test_first_use_of_a_pool_imports_nothing(url):
    """A fork while another thread imports would leave the module's lock locked."""
    program = f"""
import sys
import redis_pool_ext
redis_pool_ext.configure({{"default": {url!r}}})
before = set(sys.modules)
with redis_pool_ext.get_pool().lease() as client:
    client.pipeline().ping().execute()
    client.pubsub().close()
    client.select(3)
print(*sys.modules.keys() - before)
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout.split() == []
