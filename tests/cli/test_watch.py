"""`watch`: a line per look for logs, a picture for people, JSON for machines."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from redis_pool_ext.cli.series import BARS, bars, rows_of

from ..support.program import ROOT, Program
from .command import IS_FULL, SERVES, Terminal, call

ONCE = {"count": 1, "interval": 0.001}


def test_look_is_one_line_where_nobody_looks(place, url):
    """As many as were asked for."""
    with Program(IS_FULL, url):
        said = call("watch", {"default": url}, count=3, interval=0.001)

    assert said.status == 0
    assert len(said.out.splitlines()) == 3
    line = said.out.splitlines()[0]
    assert "default: in_use=2 idle=0 waiting=1 max=2 acquired=2 refused=1" in line
    assert "shop.views.report holds 100% of the time" in line


def test_look_is_one_line_of_json_for_machines(place, url):
    """With the last minutes second by second."""
    with Program(SERVES, json.dumps({"default": url}), "2", "default") as program:
        said = call("watch", {"default": url}, json=True, count=2, interval=0.001)
    looks = [json.loads(line) for line in said.out.splitlines()]

    assert len(looks) == 2
    assert [each["pid"] for each in looks[0]["processes"]] == [program.pid]
    (total,) = looks[0]["pools"]
    assert total["acquired"] == 2
    assert {name: len(row) for name, row in total["rows"].items()} == {
        "in_use": 180, "waiting": 180, "waits_p99": 180, "refused": 180
    }  # fmt: skip


def test_picture_has_sparklines_and_holders(place, url, monkeypatch):
    """In a terminal."""
    monkeypatch.setenv("COLUMNS", "90")
    with Program(IS_FULL, url):
        said = call("watch", {"default": url}, out=Terminal(), colour=False, **ONCE)

    assert "2 of 2 in use, 0 idle, 1 waiting; 2 acquired, 1 refused (timed out 1)" in said.out
    assert BARS[-1] in said.out
    assert "shop.views.report for" in said.out


def test_nobody_there_is_said(place, url):
    """At each look: somebody may come."""
    said = call("watch", {"default": url}, count=2, interval=0.001)

    assert said.out.count("no process of this project answers") == 2
    assert said.status == 0


def test_process_that_hangs_at_the_last_look_is_status_1(place, url):
    """For scripts."""
    serves = Program(SERVES, json.dumps({"default": url}), "1", "default")
    with serves as program, program.frozen():
        said = call("watch", {"default": url}, timeout=0.3, **ONCE)

    assert said.status == 1
    assert f"process {program.pid} does not answer in time" in said.out


def rest_of(reader: int) -> bytes:
    """Return what comes until the other side is closed: of a terminal, that is an error."""
    said = b""
    with suppress(OSError):
        while part := os.read(reader, 4096):
            said += part
    return said


@pytest.mark.parametrize("is_terminal", [True, False])
def test_ctrl_c_ends_it_cleanly(place, url, is_terminal: bool):
    """Status 0, no traceback, and a terminal has its cursor again."""
    command = [sys.executable, "-m", "redis_pool_ext", "watch", "--interval", "60"]
    main, worker = pty.openpty()
    out = worker if is_terminal else subprocess.PIPE
    with subprocess.Popen(
        command, stdout=out, stderr=subprocess.PIPE, cwd=ROOT, env=os.environ | {"TERM": "xterm"}
    ) as process:
        os.close(worker)
        reader = main if is_terminal else process.stdout.fileno()  # type: ignore[union-attr]
        said = os.read(reader, 4096)
        while b"answers" not in said:
            said += os.read(reader, 4096)
        process.send_signal(signal.SIGINT)
        said += rest_of(reader)  # to its end: who writes to a terminal that nobody reads waits
        complaints = process.stderr.read()  # type: ignore[union-attr]
    os.close(main)

    assert (process.returncode, complaints) == (0, b"")
    assert (b"\x1b[?25h" in said) is is_terminal


def sample(at: float, in_use: int = 0, refused: int = 0) -> dict[str, float]:
    return {"at": at, "in_use": in_use, "waiting": 0, "waits_p99": 0.1, "refused": refused}


def test_rows_are_sums_over_processes_second_by_second():
    """The newest last."""
    one = {"samples": [sample(98.5, 1), sample(99.5, 2, refused=3)]}
    other = {"samples": [sample(99.5, 5, refused=4)]}
    rows = rows_of([one, other], now=100.0, seconds=3)

    assert rows["in_use"] == [0, 1, 7]
    assert rows["refused"] == [0, 0, 7]
    assert rows["waits_p99"] == [0, 0.1, 0.1]


def test_second_without_a_look_is_as_the_one_before():
    """A process looks once in a little more than a second; what it refused is not told twice."""
    rows = rows_of([{"samples": [sample(97.5, 2, refused=1), sample(99.5, 2)]}], 100.0, 3)

    assert rows["in_use"] == [2, 2, 2]
    assert rows["refused"] == [1, 0, 0]


def test_process_that_looks_no_more_fades_from_the_row():
    """Its last size is not believed for ever."""
    rows = rows_of([{"samples": [sample(90.5, 2)]}], now=100.0, seconds=10)

    assert rows["in_use"] == [2, 2, 2, 0, 0, 0, 0, 0, 0, 0]


def test_bars_show_the_most_of_each_column():
    """A short peak is not lost between two columns."""
    assert bars([0, 0, 8, 0, 0, 4], 3) == f" {BARS[-1]}{BARS[4]}"
    assert bars([1, 1], 2, top=8) == BARS[1] * 2
    assert bars([0, 0], 2) == "  "
    assert bars([], 5) == ""
