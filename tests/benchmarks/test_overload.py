"""Overload: what is offered is served or refused, really and on paper."""

from __future__ import annotations

from math import inf

import pytest

from benchmarks import disciplines, fleet, offering, overload
from benchmarks.harness import Effort
from benchmarks.offering import CONTENDERS, Plan, offer
from benchmarks.outcome import Request

LITTLE = Effort(rounds=1, seconds=0.05, factor=0.01)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda each: each.name)
def test_every_request_is_served_or_refused(contender, url, monkeypatch):
    """None is forgotten, although there are far more than can be served."""
    monkeypatch.setattr(offering, "WORK", 0.05)
    monkeypatch.setattr(offering, "PATIENCE", 0.001)
    plan = Plan([0.0] * 50, most=500.0, begin=0.0, end=0.1)
    found = offer(contender.entry, port_of(url), plan)

    assert len(found.served) + len(found.refused) == len(found.all) == 50
    assert found.refused
    assert found.served[0] >= offering.WORK
    assert min(found.holds()) >= offering.WORK


def test_same_seed_plans_the_same_requests():
    """So that no pool has the easier crowd, and the simulation the same."""
    first, second, other = (Plan.of([(1.0, 500.0)], seed) for seed in (1, 1, 2))

    assert first.arrivals == second.arrivals != other.arrivals


def test_phases_of_a_plan_follow_each_other():
    """Each with as many a second as it says."""
    plan = Plan.of([(1.0, 100.0), (2.0, 1000.0), (1.0, 100.0)], 1, warm=0.25)
    parts = [sum(a <= at < b for at in plan.arrivals) for a, b in ((0, 1), (1, 3), (3, 4))]

    assert plan.arrivals == sorted(plan.arrivals)
    assert parts == pytest.approx([100, 2000, 100], rel=0.3)
    assert (plan.most, plan.begin, plan.end) == (1000.0, 1.0, 4.0)


def test_capacity_is_what_all_connections_do_together(url):
    """Never more than the work allows."""
    most = offering.CONNECTIONS / offering.WORK

    assert 0 < offering.capacity(port_of(url), 0.1) <= most


def test_overload_yields_each_pool_at_each_load_really_and_on_paper(monkeypatch):
    """A group for each load, one for the way back, and one beside it for each load on paper."""
    monkeypatch.setattr(overload, "capacity", lambda _port, _seconds: 200.0)
    monkeypatch.setattr(overload, "LOADS", (1.0, 4.0))

    result = overload.measure(LITTLE)

    names = [each.name for each in CONTENDERS]
    loads = ["1 times the capacity", "4 times the capacity"]
    groups = [*loads, "4 times the capacity, then half of it"]
    groups += [f"{load}, and on paper" for load in loads]
    assert [(row.group, row.name) for row in result.rows] == [
        (group, name) for group in groups for name in names
    ]
    assert [list(curve.series) for curve in result.curves[:2]] == [names, names]
    assert [target.limit for target in result.targets] == [90.0, 28.0, 20.0, 1000.0, 15.0]


def test_run_that_this_machine_could_not_offer_says_so():
    """The figures are the generator's, then."""
    row = overload._row(CONTENDERS[0], {"late": 0.005}, "4 times the capacity")

    (said,) = overload._too_late([row])
    assert "could not offer" in said
    assert CONTENDERS[0].name in said


def test_paper_that_differs_in_one_figure_is_off_by_that():
    """The largest difference counts, whichever it is."""
    figures = {"goodput": 90.0, "p99": 0.02, "refused": 50.0}
    papers = {"goodput on paper": 99.0, "p99 on paper": 0.02, "refused on paper": 75.0}
    row = overload._with_difference(overload._row(CONTENDERS[0], figures | papers, "4 times"))

    assert row.values["off by"] == pytest.approx(50.0)


def test_disciplines_yield_rows_and_curves(monkeypatch):
    """All disciplines at each load, and in a storm; a quick run has one of these."""
    monkeypatch.setattr(disciplines, "SHOWN", (1.0, 4.0))
    result = disciplines.measure(LITTLE)

    names = [each.name for each in disciplines.DISCIPLINES]
    groups = [*(f"{load:g} times the capacity" for load in disciplines.SHOWN)]
    groups += [disciplines.STORMS[0].name]
    assert [(row.group, row.name) for row in result.rows] == [
        (group, name) for group in groups for name in names
    ]
    assert [list(curve.series) for curve in result.curves] == [names] * 3


def test_clients_that_are_served_alike_are_served_fairly():
    """And the longest gap is between two times that the same one was served."""
    requests = [
        Request(at, 0.0, True, client=client)
        for at, client in ((0.0, 0), (0.5, 1), (1.0, 0), (4.5, 1))
    ]

    assert disciplines._fairness(requests, 2) == {"jain": 1.0, "longest gap": 4.0}
    assert disciplines._fairness(requests, 4)["jain"] == 0.5


def test_fleet_yields_rows_for_loads_and_for_an_outage(monkeypatch):
    """With what the rule says beside what was found."""
    monkeypatch.setattr(fleet, "SECONDS", 0.5)
    result = fleet.measure(LITTLE)

    loaded, returned = result.rows[0], result.rows[-1]
    assert loaded.values["server p50"] == pytest.approx(loaded.values["by the rule"], rel=0.05)
    assert returned.values["all after"] < inf
    assert [set(curve.series) for curve in result.curves] == [{"100 workers"}] * 2
