"""The burst, against a small application in place of the examples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from redis_pool_ext import PoolStats, RedisPool
from redis_pool_ext.demo.burst import SECOND, THIRD, Burst, Wave, burst
from redis_pool_ext.demo.failure import DemoError
from redis_pool_ext.demo.serving import serve
from redis_pool_ext.demo.verdict import complaints

from .stand_in import StandIn


@pytest.fixture
def pool(url: str) -> Iterator[RedisPool]:
    """A small and impatient pool."""
    with RedisPool.from_url(url, max_connections=2, timeout=1.0) as pool:
        yield pool


def run(application: StandIn) -> Burst:
    """Serve the application for the length of one burst."""
    with ExitStack() as stack:
        port = serve(application, 0, stack)
        return burst(application.example, port, lambda _stats, _waves: None)


def test_burst_above_the_pool_is_answered_in_three_ways(pool: RedisPool) -> None:
    """Holders are served, who comes too early is refused, who comes late enough waits."""
    first, second, third = run(StandIn(pool)).waves
    assert (first.count(200), first.count(503)) == (2, 0)
    assert (second.count(200), second.count(503)) == (0, SECOND)
    assert third.count(200) + third.count(503) == THIRD
    assert third.count(200) > 0


def test_refused_visitors_are_told_when_to_come_back(pool: RedisPool) -> None:
    """Each 503 has a Retry-After, and none comes before the pool's timeout is over."""
    _first, second, _third = run(StandIn(pool)).waves
    assert len(second.retry_after) == SECOND
    assert min(second.retry_after) >= 1
    assert min(reply.seconds for reply in second.replies) >= 1.0


def test_burst_and_pool_agree(pool: RedisPool) -> None:
    """What visitors saw is what the pool counted; nothing is left in use."""
    result = run(StandIn(pool))
    assert list(complaints(result)) == []
    assert result.after.timed_out - result.before.timed_out >= SECOND
    assert result.after.in_use == 0


def test_application_that_hides_the_full_pool_is_complained_about(pool: RedisPool) -> None:
    """A full pool that is answered with 500, as the peers do, does not pass."""
    said = list(complaints(run(StandIn(pool, full_status="500 Internal Server Error"))))
    assert said[0].startswith("Nobody was answered 503")
    assert f"{SECOND} visitors were answered 500." in said


def test_burst_is_watched_while_it_goes(pool: RedisPool) -> None:
    """Whoever looks on sees the pool full, and visitors waiting."""
    seen: list[PoolStats] = []
    application = StandIn(pool)

    def look(stats: PoolStats, _waves: tuple[Wave, ...]) -> None:
        seen.append(stats)

    with ExitStack() as stack:
        burst(application.example, serve(application, 0, stack), look)
    assert max(stats.in_use for stats in seen) == 2
    assert max(stats.waiting for stats in seen) >= SECOND


def test_slow_page_that_holds_nothing_is_an_error(
    pool: RedisPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the connections are never all taken, the demo says so instead of waiting on."""
    monkeypatch.setattr(StandIn, "_hold", lambda _self: None)
    with pytest.raises(DemoError, match="did not hold"):
        run(StandIn(pool))


def test_server_that_is_gone_is_an_error(pool: RedisPool) -> None:
    """A page that does not answer ends the demo with a sentence, not a traceback."""
    application = StandIn(pool)
    with ExitStack() as stack:
        port = serve(application, 0, stack)
    with pytest.raises(DemoError, match="The page /slow did not answer"):
        burst(application.example, port, lambda _stats, _waves: None)
