"""The examples as their READMEs have them run in production; a test module names the package."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import redis

from example_django import poll

from ..support.pages import ROOT, SHOWN, blocks
from ..support.threads import wait_until
from .holders import connections_held, waiting
from .site import MAX, PATH, Site, Visitor

# What the proxy in front of it says, for those who come by https.
PROXY = {
    "Host": "poll.example.com",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
}


class ProductionContract:
    """Inherited by one class per framework."""

    package: str

    @classmethod
    def start(cls, url: str, folder: Path) -> Site:
        """One worker, and fewer connections than threads: so that a test can take them all."""
        few = {"WEB_CONCURRENCY": "1", "POOL_MAX_CONNECTIONS": str(MAX), "POOL_TIMEOUT": "0.5"}
        return served(cls.package, url, folder, **few)

    def test_pages_are_served_to_visitors_by_https(self, site: Site) -> None:
        """Page, vote and stylesheet; the cookie is for https alone, and HSTS is sent."""
        visitor = site.visitor()
        page = visitor.get()
        assert page.status == 200
        assert "max-age=" in page.headers["Strict-Transport-Security"]
        form = visitor.form()
        own = {"Origin": "https://poll.example.com"}
        vote = visitor.post_only("/vote/", own, choice="good-queue", **form)
        assert vote.status in (302, 303)
        assert "Secure" in vote.headers["Set-Cookie"]
        assert visitor.get("/static/poll.css").status == 200

    def test_unknown_host_is_refused(self, site: Site) -> None:
        """Whatever name somebody makes up for it is not the site's."""
        headers = {**PROXY, "Host": "elsewhere.example"}
        assert Visitor(f"http://127.0.0.1:{site.port}", headers).get().status == 400

    def test_status_page_is_hidden_from_who_comes_through_the_proxy(self, site: Site) -> None:
        """Nobody is on this machine then."""
        assert site.visitor().get("/redis-pool/").status == 403

    def test_full_pool_answers_503_and_the_probes_go_on(
        self, site: Site, admin: redis.Redis
    ) -> None:
        """With the example's own page; balancers get their answer meanwhile."""
        with connections_held(site, admin):
            assert "The room is <em>full</em>" in (reply := site.visitor().get()).text
            assert reply.status == 503
            assert site.visitor().get("/health/live/").status == 200
            assert site.visitor().get("/health/ready/").status == 200
        assert site.visitor().get().status == 200

    def test_end_lets_requests_finish_and_leaves_no_process(
        self, url: str, admin: redis.Redis, tmp_path: Path
    ) -> None:
        """SIGTERM: the report in the making is sent, then all workers are gone."""
        with (
            served(self.package, url, tmp_path, but="check --deploy") as site,
            ThreadPoolExecutor(1) as threads,
        ):
            wait_until(lambda: len(_children(site.process.pid)) == 2)
            workers = _children(site.process.pid)
            report = threads.submit(site.visitor().get, "/report/?seconds=10")
            wait_until(lambda: len(waiting(admin)) == 1)
            site.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "Handling signal: term" in site.output)
            admin.rpush(poll.NEVER, *range(10))
            assert report.result().status == 200
            assert site.process.wait(20) == 0
        assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]
        assert "Traceback" not in site.output, site.output

    def test_connections_follow_from_the_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Unless somebody says otherwise, no thread of a worker has to wait."""
        monkeypatch.setenv("POOL_MAX_CONNECTIONS", "")
        monkeypatch.delenv("POOL_MAX_CONNECTIONS")
        monkeypatch.setenv("WEB_THREADS", "5")
        assert self._config()["threads"] == 5
        assert os.environ["POOL_MAX_CONNECTIONS"] == "5"
        monkeypatch.setenv("POOL_MAX_CONNECTIONS", "3")
        self._config()
        assert os.environ["POOL_MAX_CONNECTIONS"] == "3"

    def _config(self) -> dict[str, Any]:
        return run_path(str(ROOT / self.package / "gunicorn.conf.py"))


def served(package: str, url: str, folder: Path, but: str = "", **env: str) -> Site:
    """Return the server that the README's block starts, on another Redis and a free port.

    Without the lines that have `but` in them.
    """
    (block,) = [each for each in blocks(ROOT / package / "README.md", "sh") if "gunicorn" in each]
    lines = [line for line in block.splitlines() if not but or but not in line]
    assert lines[-1].startswith("gunicorn ")
    # In the shell's place, so that a signal to it is a signal to gunicorn.
    script = "\n".join([*lines[:-1], f"exec {lines[-1]}"]).replace(SHOWN, url)
    return Site(package, folder, ["bash", "-ec", script], PROXY, PATH=PATH, **env)


def _children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(each) for each in found.split()]
