"""Exceptions that strike anywhere: alarms from signal handlers, over a leased client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from redis_pool_ext import RedisPool
from redis_pool_ext.pooling import dialling

from ..support.proxy import FaultyProxy

# Long enough to strike every line many times; a longer storm is one variable away.
SECONDS = os.environ.get("REDIS_POOL_EXT_STORM_SECONDS", "2")


def storm(name: str, url: str, protocol: int) -> dict:
    command = [sys.executable, "-m", "tests.storms", name, url, str(protocol), SECONDS]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout)


def assert_unharmed(seen: dict) -> None:
    assert seen["struck"] > 100
    assert seen["wrong"] == []
    left = (seen["in_use"], seen["connecting"], seen["waiting"], seen["idle"])
    assert left == (0, 0, 0, 2), seen


@pytest.mark.parametrize("protocol", [2, 3])
def test_alarms_over_one_lease_mix_up_no_reply(url, protocol):
    """A client that is interrupted anywhere never gets the reply to another command."""
    assert_unharmed(storm("over_one_lease", url, protocol))


@pytest.mark.parametrize("protocol", [2, 3])
def test_alarms_over_a_slow_link_mix_up_no_reply(redis_server, admin, protocol):
    """Nor where the late reply is still on its way when the next command is sent."""
    with FaultyProxy(redis_server.port) as proxy:
        proxy.delay = 0.001
        assert_unharmed(storm("over_one_lease", proxy.url, protocol))


@pytest.mark.parametrize("protocol", [2, 3])
def test_alarms_over_many_leases_lose_no_slot(url, protocol):
    """Leases that begin, work and end under fire leave the pool whole, others unharmed."""
    seen = storm("over_many_leases", url, protocol)

    assert_unharmed(seen)
    assert seen["served_beside"] > 100


class Alarm(BaseException):
    """Raised by the signal handler."""


@contextmanager
def alarm_in(seconds: float) -> Iterator[None]:
    def strike(_signal: int, _frame: object) -> None:
        raise Alarm

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_alarm_in_the_queue_leaves_the_queue(url):
    """A waiter that is interrupted is handed nothing; the next one is."""
    with RedisPool.from_url(url, max_connections=1, timeout=10) as pool:
        kept = pool.get_connection()
        with alarm_in(0.05), pytest.raises(Alarm):
            pool.get_connection()
        stats = pool.stats()
        assert (stats.waiting, stats.cancelled) == (0, 1)
        pool.release(kept)
        assert pool.stats().idle == 1


def test_alarm_in_the_queue_counts_the_wait_up_to_it(url):
    """Who gave up after a while has waited for that while, and not for nothing."""
    with RedisPool.from_url(url, max_connections=1, timeout=10) as pool:
        kept = pool.get_connection()
        with alarm_in(0.05), pytest.raises(Alarm):
            pool.get_connection()
        pool.release(kept)
        stats = pool.stats()

    assert stats.waited == 1
    assert 0.01 < stats.wait_seconds == stats.wait_seconds_max
    assert stats.waits.total == stats.acquired + stats.refused == 2


def test_alarm_as_an_idle_connection_is_asked_ends_as_cancelled(url, monkeypatch):
    """Its request is counted as one that got nothing; nothing was acquired, and nothing lost."""

    def struck(*_args: object) -> bool:
        raise Alarm

    with RedisPool.from_url(url, max_connections=1, validate_after=0.0) as pool:
        pool.release(pool.get_connection())
        monkeypatch.setattr(dialling, "answers", struck)
        with pytest.raises(Alarm):
            pool.get_connection()
        stats = pool.stats()

    assert (stats.acquired, stats.released, stats.cancelled) == (1, 1, 1)
    assert stats.discarded == {"stale": 1}
