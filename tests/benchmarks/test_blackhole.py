"""The black hole: every client is told in the end, and the short run scales the real one."""

from __future__ import annotations

import inspect

import pytest
import redis
from redis.backoff import ExponentialWithJitterBackoff

from benchmarks import blackhole
from benchmarks.harness import Effort

SCALE = 0.02
TRIES = dict.fromkeys([entry.name for entry in blackhole.CONTENDERS], 1) | {
    "redis-py, Redis()": 1 + blackhole.RETRIES
}


@pytest.mark.parametrize("entry", blackhole.CONTENDERS, ids=lambda entry: entry.name)
def test_clients_give_up_after_their_tries(entry):
    """As many connections as it tried; the kernel has accepted them all."""
    with blackhole.black_hole() as listener:
        blackhole.seconds_until_told(entry.make(listener.getsockname()[1], SCALE))

        listener.setblocking(False)
        tries = 0
        with pytest.raises(BlockingIOError):
            while True:
                listener.accept()[0].close()
                tries += 1

    assert tries == TRIES[entry.name]


def test_full_run_leaves_the_peers_as_they_are():
    """Nothing is set for them but the timeout of the pool that has one."""
    assert blackhole._scaled_options(1.0, blackhole.RETRIES) == {}


def test_short_run_scales_what_redis_py_does_by_default():
    """Its own figures are those that are scaled."""
    defaults = inspect.signature(redis.Redis).parameters
    pauses = ExponentialWithJitterBackoff(base=blackhole.BASE, cap=blackhole.CAP)

    assert defaults["socket_timeout"].default == blackhole.SOCKET_TIMEOUT
    assert defaults["socket_connect_timeout"].default == blackhole.SOCKET_TIMEOUT
    assert redis.Redis().get_retry().get_retries() == blackhole.RETRIES
    assert redis.Redis().get_retry()._backoff == pauses


def test_answer_from_the_black_hole_is_an_error(url):
    """A server that answers is none."""
    with (
        redis.Redis.from_url(url) as client,
        pytest.raises(RuntimeError, match="the black hole answers"),
    ):
        blackhole.seconds_until_told(client)


def test_black_hole_yields_a_row_for_each_client_and_says_that_it_was_scaled():
    """The times are on the scale of the remark."""
    result = blackhole.measure(Effort(rounds=1, seconds=0.05, factor=SCALE))

    assert [row.name for row in result.rows] == list(TRIES)
    assert all(row.values["told after"] > 0 for row in result.rows)
    assert [f"{SCALE:g} of the real ones" in remark for remark in result.remarks] == [True]
