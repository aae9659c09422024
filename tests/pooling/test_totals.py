"""The sums by alias: of all pools of one name, and of those that are gone."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from redis_pool_ext import AsyncRedisPool, RedisPool
from redis_pool_ext.pooling.totals import keep_totals, totals
from redis_pool_ext.sizing import bygone

from ..support.forks import FORK_WARNS, in_child
from ..support.stub import StubConnection


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is gone yet, and pools of other tests are none."""
    gc.collect()
    monkeypatch.setattr(bygone, "_bygone", bygone._Bygone())
    monkeypatch.setattr(bygone, "_is_kept", False)
    keep_totals()


def make_pool(alias: str = "totals", **settings: Any) -> RedisPool:
    settings = {"max_connections": 3, "housekeeping_interval": None} | settings
    return RedisPool(StubConnection, alias=alias, **settings)


def use(pool: RedisPool, times: int = 1) -> None:
    for _ in range(times):
        pool.release(pool.get_connection())


def test_pools_of_one_name_are_summed():
    """Sizes, settings and counters."""
    one, other = make_pool(min_idle=1), make_pool(min_idle=1, max_idle=1)
    use(one, 2)
    use(other, 3)

    total = totals()["totals"]
    assert (total.stats.acquired, total.stats.waits.total, total.stats.holds.total) == (5, 5, 5)
    assert (total.stats.max_connections, total.stats.idle) == (6, 2)
    assert (total.min_idle, total.max_idle) == (2, 4)


def test_pools_of_other_names_are_apart():
    """Each alias has a sum of its own."""
    pools = [make_pool("totals one"), make_pool("totals two")]
    use(pools[1])

    found = totals()
    assert found["totals one"].stats.acquired == 0
    assert found["totals two"].stats.acquired == 1


def test_closed_pool_counts_and_has_no_room():
    """What is still out of it is in use; it lends none any more."""
    pool = make_pool()
    use(pool)
    out = pool.get_connection()
    pool.close()

    stats = totals()["totals"].stats
    assert (stats.acquired, stats.in_use, stats.max_connections) == (2, 1, 0)
    pool.release(out)


def test_what_a_dead_pool_has_counted_stays():
    """Of each that dies; its sizes go."""
    for _ in range(3):
        pool = make_pool()
        use(pool, 2)
        del pool
    gc.collect()

    stats = totals()["totals"].stats
    assert (stats.acquired, stats.released, stats.created) == (6, 6, 3)
    assert (stats.idle, stats.max_connections) == (0, 0)


def test_pool_that_begins_anew_goes_on_in_the_sum(url: str):
    """As one for asyncio does in another event loop."""
    pool = AsyncRedisPool.from_url(url, alias="totals")

    async def use_it() -> None:
        await pool.release(await pool.get_connection())

    for _ in range(2):
        asyncio.run(use_it())

    assert pool.stats().acquired == 0  # of the loop that has ended
    assert totals()["totals"].stats.acquired == 2


@FORK_WARNS
def test_child_of_a_fork_counts_for_itself():
    """What its parent has counted is in the parent's sum."""
    pool = make_pool()
    use(pool, 5)

    def check() -> None:
        use(pool, 2)
        assert totals()["totals"].stats.acquired == 2

    in_child(check)
    assert totals()["totals"].stats.acquired == 5


def test_nothing_is_kept_before_somebody_asks(monkeypatch: pytest.MonkeyPatch):
    """A program without metrics keeps no numbers of pools that are gone."""
    monkeypatch.setattr(bygone, "_is_kept", False)
    pool = make_pool("totals of nobody")
    use(pool)
    del pool
    gc.collect()

    assert "totals of nobody" not in totals()
