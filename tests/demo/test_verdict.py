"""Do the numbers agree?"""

from __future__ import annotations

from typing import Any

import pytest

from redis_pool_ext import PoolStats
from redis_pool_ext.demo.burst import Burst, Reply, Wave
from redis_pool_ext.demo.compare import COMMANDS, POOL, ROUNDS, Result
from redis_pool_ext.demo.verdict import checks, complaints, count_complaints
from redis_pool_ext.histogram import BOUNDS
from redis_pool_ext.stats import Counters, snapshot


def stats(**counts: Any) -> PoolStats:
    """Return a pool's numbers, zero where nothing else is said."""
    sizes = {"in_use": 0, "idle": 0, "connecting": 0, "waiting": 0, "generation": 0}
    sizes = {name: counts.pop(name, 0) for name in sizes}
    fixed = {"alias": "default", "max_connections": 2, "circuit": "closed", "is_closed": False}
    fixed["is_paused"] = False
    waits = [counts.pop("waited", 0), *[0] * len(BOUNDS)]
    return snapshot(Counters(waits=waits, **counts), **sizes, **fixed)


def burst(*replies: Reply, **counts: Any) -> Burst:
    """Return a burst of two holders and two others, as it should be but for what is said."""
    replies = replies or (*[Reply(200, 3.0, None)] * 2, *[Reply(503, 2.01, "1")] * 2)
    counts = {"acquired": 12, "timed_out": 2, "waited": 2, "wait_seconds_max": 2.001} | counts
    waves = (
        Wave("first", "/", 2, list(replies[:2])),
        Wave("second", "/", len(replies) - 2, list(replies[2:])),
    )
    return Burst(waves, 2.0, stats(acquired=10), stats(**counts))


def test_burst_as_it_should_be_has_no_complaint() -> None:
    """All five numbers agree."""
    assert [check.agrees for check in checks(burst())] == [True] * 5
    assert list(complaints(burst())) == []


@pytest.mark.parametrize(
    ("counts", "what"),
    [
        ({"acquired": 11}, "served"),
        ({"timed_out": 3}, "refused"),
        ({"waited": 1}, "queued"),
        ({"waited": 5}, "queued"),
        ({"wait_seconds_max": 2.02}, "longest wait"),
        ({"wait_seconds_max": 1.5}, "longest wait"),
        ({"in_use": 1}, "still out"),
    ],
)
def test_number_that_does_not_agree_is_named(counts: dict[str, Any], what: str) -> None:
    """Exactly the one that is wrong."""
    assert [check.what for check in checks(burst(**counts)) if not check.agrees] == [what]
    assert [f"({what})" in complaint for complaint in complaints(burst(**counts))] == [True]


def test_burst_without_503_is_complained_about() -> None:
    """That is what the demo is there to show."""
    said = list(complaints(burst(*[Reply(200, 0.1, None)] * 4, acquired=14, timed_out=0)))
    assert said[0].startswith("Nobody was answered 503")


def test_burst_without_200_is_complained_about() -> None:
    """A server that refuses everybody is not a pool."""
    said = list(complaints(burst(*[Reply(503, 2.01, "1")] * 4, acquired=10, timed_out=4, waited=4)))
    assert said == ["Nobody was answered 200."]


def test_other_status_is_complained_about() -> None:
    """A 500 in the burst is counted and told."""
    replies = (*[Reply(200, 3.0, None)] * 2, Reply(503, 2.01, "1"), Reply(500, 2.01, None))
    said = list(complaints(burst(*replies, timed_out=1)))
    assert said == ["1 visitors were answered 500."]


def test_503_without_retry_after_is_complained_about() -> None:
    """Visitors shall be told when to come back."""
    replies = (*[Reply(200, 3.0, None)] * 2, Reply(503, 2.01, "1"), Reply(503, 2.01, None))
    assert list(complaints(burst(*replies))) == ["A 503 came without Retry-After."]


def test_connections_are_checked_on_a_server_of_our_own() -> None:
    """One each without the pool, never more than its size with it."""
    each, pooled = Result((1.0,), COMMANDS * ROUNDS), Result((1.0,), POOL)
    assert list(count_complaints(each, pooled)) == []
    assert len(list(count_complaints(Result((1.0,), 7), pooled))) == 1
    assert len(list(count_complaints(each, Result((1.0,), POOL + 1)))) == 1
