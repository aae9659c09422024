"""`stats`: which processes are told, their sum, and the tables."""

from __future__ import annotations

import json

import pytest

from ..support.program import Program
from .command import IS_FULL, SERVES, call


def served(pools, leases: int = 1, uses: str = "default") -> Program:
    return Program(SERVES, json.dumps(pools), str(leases), uses)


def test_processes_of_the_project_are_told_and_summed(place, url):
    """Each by itself, and together to the last lease."""
    pools = {"default": {"URL": url, "MAX_CONNECTIONS": 3}}
    with served(pools, 5) as one, served(pools, 7) as other:
        said = call("stats", pools, json=True)

    assert said.status == 0
    assert {r["process"]["pid"] for r in said.data["processes"]} == {one.pid, other.pid}
    (total,) = said.data["pools"]
    assert (total["processes"], total["acquired"], total["max_connections"]) == (2, 12, 6)
    assert (total["released"], total["refused"], total["in_use"]) == (12, 0, 0)


def test_processes_of_other_projects_are_left_out(place, url):
    """They are this user's, too; with --all they are told."""
    mine, other = {"default": url}, {"default": url, "more": url}
    with served(mine) as process, served(other) as stranger:
        own = call("stats", mine, json=True).data["processes"]
        everybody = call("stats", mine, json=True, all=True).data["processes"]

    assert [each["process"]["pid"] for each in own] == [process.pid]
    assert {each["process"]["pid"] for each in everybody} == {process.pid, stranger.pid}


def test_process_that_uses_some_of_the_pools_is_of_the_project(place, url):
    """The command has dialled none of them, the worker one of two."""
    pools = {"default": url, "reports": f"{url}?max_connections=4"}
    with served(pools, uses="reports") as process:
        (report,) = call("stats", pools, json=True).data["processes"]

    assert report["process"]["pid"] == process.pid
    assert [pool["alias"] for pool in report["pools"]] == ["reports"]


def test_plain_program_gets_all_processes(place, url):
    """It has no settings to tell whose they are."""
    with served({"default": url}), served({"other": url}, uses="other"):
        said = call("stats", json=True)

    assert {total["alias"] for total in said.data["pools"]} == {"default", "other"}


def test_alias_leaves_the_other_pools_out(place, url):
    """In each process."""
    pools = {"default": url, "a": url, "b": url}
    with served(pools, uses="default a b"):
        said = call("stats", pools, json=True, alias=("a", "b"))

    assert {total["alias"] for total in said.data["pools"]} == {"a", "b"}


def test_process_that_hangs_is_told_and_is_status_1(place, url):
    """The others are told nevertheless."""
    pools = {"default": url}
    with served(pools) as hangs, served(pools) as answers, hangs.frozen():
        said = call("stats", pools, json=True, timeout=2.0)
        drawn = call("stats", pools, timeout=2.0)

    assert (said.status, drawn.status) == (1, 1)
    assert [each["pid"] for each in said.data["silent"]] == [hangs.pid]
    assert [each["process"]["pid"] for each in said.data["processes"]] == [answers.pid]
    assert f"process {hangs.pid}: does not answer in time" in drawn.out


def test_nobody_there_is_said_and_no_fault(place, url):
    """A site that had no visitor yet has connected to nothing."""
    assert "no process of this project answers" in call("stats", {"default": url}).out
    assert call("stats", {"default": url}).status == 0
    assert "no process answers" in call("stats").out


def test_status_that_is_switched_off_is_said(monkeypatch):
    """By the name of what switches it on again."""
    monkeypatch.setenv("REDIS_POOL_STATUS_DIR", "off")

    assert "REDIS_POOL_STATUS_DIR is 'off'" in call("stats").out


@pytest.mark.parametrize("columns", ["40", "80", "140"])
def test_exhausted_pool_names_the_view_that_holds_it(place, url, monkeypatch, columns: str):
    """In wide terminals and in narrow ones."""
    monkeypatch.setenv("COLUMNS", columns)
    with Program(IS_FULL, url):
        said = call("stats", {"default": url})
    words = " ".join(said.out.split())

    assert 'pool "default": 2 of 2 connections are in use, 1 wait, 1 refused in the last' in words
    assert "minute; shop.views.report holds 100% of the time" in words
    assert "INCRBY" in words or "INCR" in words
    assert max(map(len, said.out.splitlines())) <= int(columns)


def test_exhausted_pool_is_told_in_json(place, url):
    """By reason, with its holders and their shares."""
    with Program(IS_FULL, url) as program:
        (total,) = call("stats", {"default": url}, json=True).data["pools"]

    assert (total["exhausted"], total["waiting"]) == (1, 1)
    assert total["refused_by_reason"] == {"timed_out": 1}
    assert total["last_minute"]["refused"] == 1
    assert [(each["pid"], each["kind"]) for each in total["holders"]] == [
        (program.pid, "shop.views.report")
    ] * 2
    assert total["shares"] == {"shop.views.report": 1.0}


def test_wide_table_has_a_line_for_each_process_and_their_sum(place, url, monkeypatch):
    """With the numbers in the order of their heads."""
    monkeypatch.setenv("COLUMNS", "140")
    pools = {"default": url}
    with served(pools, 5) as one, served(pools, 7):
        said = call("stats", pools).out
    rows = {
        line.partition("default")[0].strip(): " ".join(line.split()) for line in said.splitlines()
    }

    assert "default 0 1 0 16 5 0 0 0 / " in rows[f"{one.pid} -c"]
    assert "default 0 2 0 32 12 0 0 0 / " in rows["2 in all"]
