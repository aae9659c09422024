"""`doctor` on what the processes tell of their pools."""

from __future__ import annotations

from typing import Any

import pytest

from redis_pool_ext import configure, get_pool
from redis_pool_ext.cli.doctor.of_pools import findings_in
from redis_pool_ext.status import process_report

from ...support.program import Program
from ..command import IS_FULL, SERVES, call
from .looks import finding


class TestOfPools:
    """What the processes tell."""

    def test_exhausted_pool_is_an_error_that_names_the_view(self, place, url):
        """Somebody was refused in the last minute."""
        with Program(IS_FULL, url):
            said = call("doctor", {"default": url}, json=True)
        found = {each["check"]: each for each in said.data["findings"]}

        assert said.status == 1
        assert found["exhausted"]["level"] == "error"
        assert "shop.views.report holds 100% of the time" in found["exhausted"]["text"]
        assert found["exhausted"]["numbers"]["refused"] == 1

    def test_process_that_hangs_is_an_error(self, place, url):
        """Its pools are not known."""
        serves = Program(SERVES, f'{{"default": "{url}"}}', "1", "default")
        with serves as program, program.frozen():
            found = finding({"default": url}, "processes", timeout=2.0)

        assert (found["level"], found["about"]) == ("error", f"process {program.pid}")

    def test_nobody_there_is_a_note(self, place, url):
        """And the workers are guessed."""
        pools = {"default": url}

        assert finding(pools, "processes")["level"] == "note"
        assert "none answers; see --workers" in finding(pools, "maxclients")["text"]

    def test_open_circuit_is_an_error(self, place):
        """No process reaches the server."""
        code = """
from contextlib import suppress
from redis_pool_ext import configure, get_pool
from redis_pool_ext.status import open_desk
configure({"default": "redis://127.0.0.1:1/0"})
while get_pool().stats().circuit == "closed":
    with suppress(Exception):
        get_pool().client.ping()
open_desk()
"""
        with Program(code):
            found = finding({"default": "redis://127.0.0.1:1/0"}, "circuit")

        assert found["level"] == "error"
        assert sum(found["numbers"]["states"].values()) == 1

    def test_mistakes_with_leases_are_warnings(self, place, url):
        """A leak, a double release, a connection that came back with a WATCH on it."""
        code = """
import sys, logging
from redis_pool_ext import LeaseError, configure, get_pool
from redis_pool_ext.status import open_desk
logging.disable()
configure({"default": {"URL": sys.argv[1], "LEAK_DETECTION_THRESHOLD": 0.001,
                       "HOUSEKEEPING_INTERVAL": 0.01}})
pool = get_pool()
connection = pool.get_connection()
connection.send_command("SUBSCRIBE", "news")
pool.release(connection)
kept = pool.get_connection()
while not pool.stats().leaked:
    pass
pool.release(kept)
try:
    pool.release(kept)
except LeaseError:
    open_desk()
"""
        with Program(code, url):
            told = call("doctor", {"default": url}, json=True).data["findings"]
        found = {each["check"]: each for each in told}

        assert [found[check]["level"] for check in ("leaks", "releases", "discards")] == [
            "warning"
        ] * 3
        assert found["releases"]["numbers"] == {"double_releases": 1}
        assert found["discards"]["numbers"]["discarded"]["dirty"] == 1

    @pytest.mark.parametrize(
        ("sizes", "level", "words"),
        [
            ((None, None), "ok", "too little to tell"),
            ((4, 4), "ok", "per process: told; in all 8, now 8"),
            ((6, 5), "warning", "per process: told; in all 11, now 8"),
            ((3, 2), "note", "per process: told; in all 5, now 8"),
            ((3,), "note", "told"),
        ],
    )
    def test_size_is_said_per_process_and_in_all(self, url, sizes, level: str, words: str):
        """By what each process has measured."""
        configure({"default": {"URL": url, "MAX_CONNECTIONS": 4}})
        get_pool().client.ping()
        report = process_report()
        report["pools"] = [each for each in report["pools"] if each["alias"] == "default"][:1]
        reports = [_advised(report, pid, size) for pid, size in enumerate(sizes, 1)]
        (found,) = [each for each in findings_in(reports, [], "") if each.check == "size"]

        assert found.level == level
        assert words in found.text
        assert found.numbers["in_all"] == (None if sizes[0] is None else sum(sizes))
        if level == "warning":
            assert "set MAX_CONNECTIONS to 6" in str(found.way_out)


def _advised(report: dict[str, Any], pid: int, size: int | None) -> dict[str, Any]:
    (pool,) = report["pools"]
    advice = pool["advice"] | ({} if size is None else {"size": size, "text": "told"})
    stats = pool["stats"] | {"max_connections": 4}
    told = pool | {"advice": advice | {"max_connections": 4}, "stats": stats}
    return report | {"process": report["process"] | {"pid": pid}, "pools": [told]}


def test_findings_read_well_in_a_narrow_terminal(place, server, monkeypatch):
    """A line goes on under its words."""
    monkeypatch.setenv("COLUMNS", "50")
    out = call("doctor", {"default": server.url}).out

    assert max(map(len, out.splitlines())) <= 50
    assert "\nok       version: " in out
    assert " 1 process (none answers" in " ".join(out.split())
