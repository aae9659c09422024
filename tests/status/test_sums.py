"""The pools of several processes in sum."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from redis_pool_ext import RedisPool
from redis_pool_ext.cli.totals import totals_of
from redis_pool_ext.histogram import NOTHING, Histogram
from redis_pool_ext.status import process_report
from redis_pool_ext.status.sums import groups_of, sum_of

from ..support.stub import StubConnection


@pytest.fixture
def report() -> dict[str, Any]:
    """One process's report of one pool, of which nobody had a connection yet."""
    with closing(RedisPool(StubConnection, alias="summed", housekeeping_interval=None)):
        told = process_report(samples=0)
    return told | {"pools": [pool for pool in told["pools"] if pool["alias"] == "summed"]}


def of_process(report: dict[str, Any], pid: int, waits: Histogram = NOTHING, **stats: Any) -> Any:
    """Return the report as another process's, with these times of waiting and these numbers."""
    (pool,) = report["pools"]
    told = {"waits": waits.as_dict(), "waits_p99": waits.quantile(0.99)}
    changed = {"window": pool["window"] | told, "stats": pool["stats"] | stats}
    return report | {"process": report["process"] | {"pid": pid}, "pools": [pool | changed]}


def test_percentiles_are_computed_of_all_times(report):
    """One long wait among a thousand; the process that had it had no other."""
    quick = of_process(report, 1, Histogram.from_times([0.001] * 1000), wait_seconds_max=10.0)
    slow = of_process(report, 2, Histogram.from_times([9.0]), wait_seconds_max=10.0)

    (group,) = groups_of([quick, slow])
    (total,) = totals_of([quick, slow])
    assert sum_of(group)["window"]["waits_p99"] <= 0.001
    assert total["last_minute"]["waits_p99"] == sum_of(group)["window"]["waits_p99"]


def test_process_with_several_pools_of_one_name_is_counted_once(report):
    """One for threads and one for each event loop; their numbers are added up."""
    (pool,) = report["pools"]
    of_loop = pool | {"kind": "async"}
    two = report | {"pools": [pool, of_loop, of_loop]}

    assert [sum_of(group)["processes"] for group in groups_of([two])] == [
        [report["process"]["pid"]]
    ] * 2
    (total,) = totals_of([two])
    assert (total["processes"], total["max_connections"]) == (
        1,
        3 * pool["stats"]["max_connections"],
    )


def test_refusals_are_told_by_their_reasons(report):
    """Those that occurred, in whichever process."""
    one = of_process(report, 1, timed_out=2)
    other = of_process(report, 2, timed_out=1, queue_full=4)

    (total,) = totals_of([one, other])
    assert total["refused_by_reason"] == {"timed_out": 3, "queue_full": 4}
    assert total["refused"] == 7


def test_worst_circuit_is_that_of_all(report):
    """Somebody does not reach the server."""
    states = ("closed", "open", "probing")
    reports = [of_process(report, pid, circuit=state) for pid, state in enumerate(states)]

    (group,) = groups_of(reports)
    assert sum_of(group)["stats"]["circuit"] == "open"
