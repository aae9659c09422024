"""The spike: everybody is served, by every pool, and the way there is as slow as it says."""

from __future__ import annotations

import socket
import time

import pytest

from benchmarks import spike
from benchmarks.child import Child
from benchmarks.harness import Effort
from benchmarks.slow_dial import IN_TURN, TOGETHER

SCENES = (spike.Scene("near", 0.005, TOGETHER), spike.Scene("in turn", 0.002, IN_TURN))


def slow_way(url: str, seconds: float, how: str) -> Child:
    port = url.rpartition(":")[2].partition("/")[0]
    return Child("benchmarks.slow_dial", port, str(seconds), how)


@pytest.mark.parametrize("entry", spike.CONTENDERS, ids=lambda entry: entry.name)
def test_spike_is_served_to_the_last_caller(entry, url):
    """Each caller has its wait; nobody was refused, and connections were counted."""
    with slow_way(url, 0.002, TOGETHER) as way:
        found = spike.one_spike(entry, way)

    assert len(found.waits) == spike.CALLERS
    assert found.errors == 0
    assert found.waits == sorted(found.waits)
    assert 1 <= found.opened <= spike.CALLERS
    assert found.seconds >= found.waits[-1]


def test_callers_that_were_refused_are_counted(url, monkeypatch):
    """A pool that serves nobody has fifty errors, and no waits."""
    monkeypatch.setattr(spike, "TIMEOUT", 0.0)
    with slow_way(url, 5.0, TOGETHER) as way:
        found = spike.one_spike(spike.CONTENDERS[0], way)

    assert (found.errors, found.waits) == (spike.CALLERS, [])


@pytest.mark.parametrize(("how", "at_least"), [(TOGETHER, 0.05), (IN_TURN, 0.15)])
def test_slow_way_delays_each_connection(how, at_least, url):
    """Three at a time: each its own delay, or that of those before it as well."""
    with slow_way(url, 0.05, how) as way:
        port = way.ask("port")
        began = time.monotonic()
        visitors = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(3)]
        for visitor in visitors:
            visitor.sendall(b"PING\r\n")
        answers = [visitor.recv(64) for visitor in visitors]
        took = time.monotonic() - began
        for visitor in visitors:
            visitor.close()
        assert way.ask("opened") == 3

    assert answers == [b"+PONG\r\n"] * 3
    assert took >= at_least


def test_spike_yields_rows_and_a_curve_for_each_scene(monkeypatch):
    """With the waits of all callers on the curve, in order."""
    monkeypatch.setattr(spike, "SCENES", SCENES)

    result = spike.measure(Effort(rounds=1, seconds=0.05, factor=0.01))

    names = [entry.name for entry in spike.CONTENDERS]
    assert [(row.group, row.name) for row in result.rows] == [
        (scene.name, name) for scene in SCENES for name in names
    ]
    for row in result.rows:
        assert row.values["errors"] == 0
        assert row.values["p50"] <= row.values["p99"] <= row.values["worst"]
    for curve in result.curves:
        assert list(curve.series) == names
        assert {len(points) for points in curve.series.values()} == {spike.CALLERS}
