"""Overload: what is offered is served or refused, and what comes too late does not count."""

from __future__ import annotations

import pytest

from benchmarks import overload
from benchmarks.harness import Effort


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


@pytest.mark.parametrize("entry", overload.CONTENDERS, ids=lambda entry: entry.name)
def test_every_request_is_served_or_refused(entry, url, monkeypatch):
    """None is forgotten, although there are far more than can be served."""
    monkeypatch.setattr(overload, "WORK", 0.05)
    monkeypatch.setattr(overload, "PATIENCE", 0.001)
    monkeypatch.setattr(overload, "_arrivals", lambda *_: [0.0] * 50)
    found = overload.offer(entry, port_of(url), 2000.0, 0.1, seed=1)

    assert found.offered == len(found.late) == 50
    assert 0 < found.refused < 50
    assert min(each.seconds for each in found.served) >= overload.WORK


def test_same_seed_offers_the_same_requests(url):
    """So that no pool has the easier crowd."""
    first, second, other = (
        overload.offer(entry, port_of(url), 500.0, 0.1, seed=seed).offered
        for entry, seed in zip(overload.CONTENDERS, (1, 1, 2), strict=True)
    )

    assert first == second != other


def test_goodput_counts_what_was_done_while_the_visitor_was_there():
    """Neither what came too late for its visitor, nor what was left when arrivals had ended."""
    served = [overload.Served(*each) for each in ((0.0, 0.2), (0.0, 0.21), (0.2, 0.1), (0.4, 0.2))]
    outcome = overload.Outcome(offered=5, served=served, late=[0.0] * 5, duration=0.5)

    assert outcome.throughput(within=0.2) == 2 / 0.5
    assert outcome.throughput() == 3 / 0.5
    assert outcome.refused == 1


def test_capacity_is_what_all_connections_do_together():
    """Never more than the work allows."""
    assert 0 < overload.capacity(0.1) <= overload.CONNECTIONS / overload.WORK


def test_overload_yields_rows_and_curves_over_the_load(monkeypatch):
    """A group for each load, and every pool on both curves."""
    monkeypatch.setattr(overload, "capacity", lambda _seconds: 200.0)
    monkeypatch.setattr(overload, "LOADS", (1.0, 4.0))

    result = overload.measure(Effort(rounds=1, seconds=0.05, factor=0.01))

    names = [entry.name for entry in overload.CONTENDERS]
    groups = ["1 times the capacity", "4 times the capacity"]
    assert [(row.group, row.name) for row in result.rows] == [
        (group, name) for group in groups for name in names
    ]
    assert [list(curve.series) for curve in result.curves] == [names, names]
    assert {x for curve in result.curves for line in curve.series.values() for x, _ in line} == {
        1.0, 4.0,
    }  # fmt: skip
