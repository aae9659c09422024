"""A server in the process: what a budget and the queue's terms do there, and what they cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redis_pool_ext import BudgetExceededError, RedisPool

pytest.importorskip("fakeredis")


def hear_messages(client: Any) -> None:
    pubsub = client.pubsub()
    pubsub.subscribe("channel")
    while True:
        pubsub.get_message(timeout=60)


def wait_for_lock(client: Any) -> None:
    client.lock("lock").acquire()


@pytest.fixture
def pool() -> Iterator[RedisPool]:
    """A pool of three connections, one of them kept for "high"."""
    url = "fakeredis://budgets"
    with RedisPool.from_url(url, max_connections=3, timeout=60, reserved={"high": 1}) as pool:
        pool.client.flushall()
        pool.client.set("lock", "somebody's")
        yield pool


def test_command_that_blocks_takes_its_own_time(pool):
    """There is no socket whose timeout could be cut; the next command is not begun."""
    with pool.lease(budget=0.02) as client:
        assert client.blpop("nothing", timeout=0.1) is None
        with pytest.raises(BudgetExceededError):
            client.get("lock")


@pytest.mark.parametrize("wait", [hear_messages, wait_for_lock])
def test_other_waits_end_with_the_budget(pool, wait: Callable[[Any], None]):
    """Those of redis-py, that ask now and then."""
    with pool.lease(budget=0.2) as client, pytest.raises(BudgetExceededError):
        wait(client)


def test_reserved_connection_is_kept_and_the_wait_for_others_cut(pool):
    """Both are the pool's, whatever it connects to."""
    kept = [pool.get_connection() for _ in range(2)]
    with pool.lease(budget=0.02) as client, pytest.raises(BudgetExceededError):
        client.ping()
    with pool.lease(budget=1.0, priority="high") as client:
        assert client.ping()
    for connection in kept:
        pool.release(connection)
