"""An application under gunicorn, its visitors, and what both doors have to pass."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ..support.program import ROOT
from ..support.threads import spawn, wait_until
from ..support.unix_http import fetch

WORKERS, THREADS = 2, 4


class Site:
    """A gunicorn on a unix socket."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path) -> None:
        self.process, self.path = process, path

    def get(self, target: str) -> int:
        """Return the status of the answer, read to its end."""
        return fetch(self.path, target, timeout=30)[0]

    def get_many(self, target: str, count: int) -> Counter[int]:
        """Ask from twelve threads; return how often each status was the answer."""

        def ask(first: int) -> list[int]:
            return [self.get(target) for _ in range(first, count, 12)]

        answers = [spawn(ask, number) for number in range(12)]
        return Counter(status for each in answers for status in each.result(50))


@contextmanager
def gunicorn(application: str, url: str, folder: Path, workers: int = WORKERS) -> Iterator[Site]:
    path = folder / "gunicorn.sock"
    command = [sys.executable, "-m", "gunicorn", application, "--bind", f"unix:{path}"]
    command += ["--workers", str(workers), "--threads", str(THREADS), "--log-level", "warning"]
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "REDIS_URL": url}, stdout=said, stderr=said
        )
    try:
        site = Site(process, path)

        def answers() -> bool:
            with suppress(OSError):
                return site.get("/nothing") == 404
            return process.poll() is not None

        wait_until(answers, 30)
        yield site
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, (folder / "said").read_text()
    finally:
        process.kill()
        process.wait()


def both_work(site: Site, place: Path) -> None:
    """Ask until each worker has had a connection, and so has a desk."""
    wait_until(lambda: bool(site.get("/hit")) and len(list(place.glob("*.sock"))) == WORKERS, 30)


class Contract:
    """What the command of either framework does; `command` runs it, `application` is served."""

    application: str
    view: str

    def run(self, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        raise NotImplementedError

    def json(self, url: str, *arguments: str) -> Any:
        ended = self.run(url, *arguments, "--json")
        assert ended.stderr == ""
        return json.loads(ended.stdout)

    @pytest.fixture
    def folder(self, tmp_path_factory) -> Path:
        return tmp_path_factory.mktemp("g")

    def test_stats_agree_with_the_load_to_the_last_request(self, place, folder, url, admin):
        """Summed over two workers: those who were served, and those who were refused."""
        with gunicorn(self.application, url, folder) as site:
            both_work(site, place)
            before = int(admin.get("hits") or 0)
            (earlier,) = self.json(url, "stats")["pools"]
            answers = site.get_many("/hit", 240) + site.get_many("/hold?seconds=0.25", 24)

            (total,) = self.json(url, "stats")["pools"]
            wait_until(lambda: self.json(url, "stats")["pools"][0]["in_use"] == 0)
            served, refused = answers[200], answers[503]
            assert served + refused == 264
            assert refused > 0
            assert total["acquired"] - earlier["acquired"] == served
            assert total["refused"] - earlier["refused"] == refused
            assert total["acquired"] == int(admin.get("hits")) + int(admin.get("held"))
            assert earlier["acquired"] == before
            assert total["processes"] == WORKERS

    def test_stats_name_the_view_at_exhaustion(self, place, folder, url, admin):
        """In words, and in JSON."""
        with gunicorn(self.application, url, folder, workers=1) as site:
            over = folder / "over"
            slow = [spawn(site.get, f"/report?until={over}") for _ in range(2)]
            wait_until(lambda: admin.get("held") == b"2")
            wait_until(lambda: bool(self.json(url, "stats")["pools"][0]["shares"]))
            assert site.get("/hit") == 503

            (total,) = self.json(url, "stats")["pools"]
            assert self.view in total["holders"][0]["name"]
            assert total["refused_by_reason"] == {"timed_out": 1}
            assert self.view in "".join(self.run(url, "stats").stdout.split())
            over.touch()
            assert [each.result() for each in slow] == [200, 200]

    def test_project_that_no_process_serves_is_told_so(self, place, url):
        """Nothing is dialled for it."""
        ended = self.run(url, "stats")

        assert (ended.returncode, ended.stderr) == (0, "")
        assert "no process of this project answers" in ended.stdout

    def test_config_is_that_of_the_project(self, place, url):
        """Every pool, used or not."""
        pools = {each["alias"]: each["settings"] for each in self.json(url, "config")["pools"]}

        assert pools.keys() == {"default", "spare"}
        assert pools["default"]["max_connections"] == {"value": 2, "is_default": False}

    def test_ping_dials_and_the_command_does_not_answer_as_a_process(self, place, url):
        """It opens no desk."""
        told = self.json(url, "ping", "--alias", "spare")["pools"]

        assert [(each["alias"], each["ok"]) for each in told] == [("spare", True)]
        assert not place.exists()

    def test_server_that_is_down_is_status_1(self, place):
        """Of `ping`, and of `doctor`."""
        for name in ("ping", "doctor"):
            ended = self.run("redis://127.0.0.1:1/0", name, "--json", "--timeout", "2")
            assert (ended.returncode, ended.stderr) == (1, "")
            assert json.loads(ended.stdout)["command"] == name

    def test_doctor_counts_the_workers_that_answer(self, place, folder, url, admin):
        """And those that are said to come."""
        with gunicorn(self.application, url, folder) as site:
            both_work(site, place)
            found = self.json(url, "doctor")["findings"]
            planned = self.json(url, "doctor", "--workers", "5")["findings"]

        needed = [
            next(each["numbers"]["needed"] for each in told if each["check"] == "maxclients")
            for told in (found, planned)
        ]
        assert needed == [2 * (2 + 16), 5 * (2 + 16)]

    def test_watch_ends_after_as_many_looks_as_were_asked_for(self, place, url):
        """A line each."""
        ended = self.run(url, "watch", "--count", "2", "--interval", "0.01")

        assert (ended.returncode, ended.stderr) == (0, "")
        assert len(ended.stdout.splitlines()) == 2

    @pytest.mark.parametrize("arguments", [[], ["stat"], ["stats", "--timeout", "never"]])
    def test_wrong_usage_is_status_2(self, place, url, arguments: list[str]):
        """With the words of the framework's own parser."""
        ended = self.run(url, *arguments)

        assert ended.returncode == 2
        assert "Traceback" not in ended.stderr
