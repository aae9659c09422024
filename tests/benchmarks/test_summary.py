"""The README's table is the one that was measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks.harness import Result, row, with_ratios
from benchmarks.summary import summary

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "benchmarks" / "results"
UNIT = {"wall": "us", "ratio": "x"}


def cycle(**seconds: float) -> Result:
    rows = [row(name, {"wall": [each]}, UNIT) for name, each in seconds.items()]
    return Result("cycle", "Cycle", UNIT, with_ratios(rows, "wall"), ratio_of="wall")


def test_line_has_our_figure_and_the_peers_as_multiples():
    """What is ours in another way is no peer."""
    found = summary([cycle(redis_pool_ext=1e-6, redis_pool_ext_pooled=2e-6, peer=8e-6)])

    assert found.splitlines()[2:] == ["| Take a connection, give it back | 1.00 us | peer 8.00 |"]


def test_line_is_of_the_column_that_was_compared():
    """For tasks, the CPU time; a peer's two names are one."""
    unit = {"wall": "us", "cpu": "us", "ratio": "x"}
    rows = [
        row(name, {"wall": [9e-6], "cpu": [cpu]}, unit, group="GET, asyncio, loopback")
        for name, cpu in (("redis_pool_ext, leased", 2e-6), ("redis.asyncio, pooled", 5e-6))
    ]

    found = summary([Result("tasks", "Tasks", unit, with_ratios(rows, "cpu"), ratio_of="cpu")])

    assert found.splitlines()[2:] == [
        "| One GET over loopback, asyncio: CPU | 2.00 us | redis.asyncio pooled 2.50 |"
    ]


def test_what_was_not_measured_has_no_line():
    """A run of some benchmarks has a summary, too."""
    assert len(summary([]).splitlines()) == 2


def test_summary_is_of_the_results():
    """Nobody has written a figure by hand."""
    found = json.loads((RESULTS / "results.json").read_text())
    results = [Result.from_dict(each) for each in found["results"]]

    assert (RESULTS / "summary.md").read_text() == summary(results)
    assert found["failed"] == []


def test_readme_has_the_summary():
    """As it was written by the last full run."""
    marked = r"<!-- benchmarks/results/summary\.md -->\n(.*?)<!-- end -->"
    [table] = re.findall(marked, (ROOT / "README.md").read_text(), re.DOTALL)

    assert table == (RESULTS / "summary.md").read_text()
