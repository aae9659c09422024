"""A fault that lasts: callers are told within their bound, then at once, then served again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from redis_pool_ext import PoolUnavailableError, RedisPool
from redis_pool_ext.books.circuit import BACKOFF_BASE, FAILURES_TO_OPEN

from ..support.proxy import Then
from ..support.threads import spawn, wait_until
from .kinds import SOCKET_TIMEOUT, TIMEOUT
from .matrix import FAULTS
from .scene import assert_whole, serves

FAULTS_OF_A_DIAL = {
    **FAULTS,
    "part-reset": lambda proxy: proxy.break_off(2, Then.RESET),
}


@pytest.fixture
def pool(proxy) -> Iterator[RedisPool]:
    """A pool of three through the proxy, that has not dialled yet."""
    with RedisPool.from_url(
        proxy.url, max_connections=3, timeout=TIMEOUT, socket_timeout=SOCKET_TIMEOUT
    ) as pool:
        yield pool


@pytest.mark.parametrize("fault", FAULTS_OF_A_DIAL)
def test_each_fault_opens_the_circuit_and_its_end_closes_it(pool, proxy, clock, fault):
    """Three dials in vain, then nobody waits; one backoff step after the end, it serves."""
    FAULTS_OF_A_DIAL[fault](proxy)
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(PoolUnavailableError), clock.bounded(TIMEOUT):
            pool.get_connection()
    assert pool.stats().circuit == "open"

    proxy.resume()
    with clock.bounded(BACKOFF_BASE):
        wait_until(lambda: serves(pool))
    assert pool.stats().circuit == "closed"
    assert_whole(pool)


@pytest.mark.parametrize("fault", FAULTS_OF_A_DIAL)
def test_crowd_before_a_faulty_server_is_sent_away_in_time(pool, proxy, clock, fault):
    """Twelve callers, two dials at a time: whoever queues behind a dial has one timeout."""
    FAULTS_OF_A_DIAL[fault](proxy)
    with clock.bounded(TIMEOUT):
        callers = [spawn(pool.get_connection) for _ in range(12)]
        for caller in callers:
            with pytest.raises(redis.ConnectionError):
                caller.result()

    proxy.resume()
    wait_until(lambda: serves(pool))
    assert_whole(pool)


def fill(pool, number: int) -> None:
    """Dial until so many are idle: one of them may be slow, on a loaded machine."""
    for _ in range(10):
        with suppress(PoolUnavailableError):
            if pool.warm_up(number, timeout=10) == number:
                return
    raise AssertionError("the server cannot be reached")


def test_idle_connections_that_the_network_forgot_cost_one_error(pool, proxy, clock):
    """They look open and are deaf; new ones work. The next caller asks one, not all."""
    pool.resize(8)
    fill(pool, 8)
    proxy.forget()
    with pytest.raises(redis.TimeoutError), clock.bounded(SOCKET_TIMEOUT):
        pool.client.ping()

    with clock.bounded(TIMEOUT / 2):  # half of its time it may spend on asking
        assert pool.client.ping()
    assert pool.stats().discarded == {"error": 1, "stale": 7}
    assert_whole(pool)


@pytest.mark.parametrize("fault", ["requests-lost", "answers-lost", "stalled"])
def test_deaf_server_is_not_taken_for_an_exhausted_pool(pool, proxy, clock, fault):
    """A caller who asks an idle connection in vain has time left for a dial that counts."""
    pool.timeout = 1.0
    pool.resize(8)
    pool.warm_up(8, timeout=10)
    FAULTS[fault](proxy)
    with pytest.raises(redis.TimeoutError), clock.bounded(SOCKET_TIMEOUT):
        pool.client.ping()

    with pytest.raises(PoolUnavailableError), clock.bounded(pool.timeout):
        pool.client.ping()

    proxy.resume()
    with clock.bounded(BACKOFF_BASE):
        wait_until(lambda: serves(pool))
    assert_whole(pool)
