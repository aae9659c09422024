"""gunicorn --preload: the master loads and uses the pool, then forks its workers."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import redis

from ..support.threads import spawn, wait_until
from ..support.unix_http import fetch

WORKERS, THREADS, MAX_CONNECTIONS = 2, 4, 3  # the last one as in wsgi_app
ROOT = Path(__file__).parents[2]


class Server:
    """A gunicorn on a unix socket."""

    def __init__(self, process: subprocess.Popen[bytes], path: str) -> None:
        self.process, self.path = process, path

    def get(self, text: str) -> dict[str, Any]:
        """Ask once; again when the worker ended before it took the request."""
        said: list[dict[str, Any]] = []

        def ask() -> bool:
            with suppress(ConnectionError, http.client.RemoteDisconnected):
                said.append(self._get(text))
            return bool(said) or self.process.poll() is not None

        wait_until(ask, 20)
        return said[0]

    def _get(self, text: str) -> dict[str, Any]:
        status, body = fetch(self.path, f"/?{text}")
        assert status == 200, body
        return json.loads(body)

    def get_many(self, count: int) -> list[dict[str, Any]]:
        """Ask from eight threads; every answer holds the text of its own request."""

        def ask(first: int) -> list[dict[str, Any]]:
            return [self._get_own(str(number)) for number in range(first, count, 8)]

        return [said for asker in [spawn(ask, n) for n in range(8)] for said in asker.result(50)]

    def _get_own(self, text: str) -> dict[str, Any]:
        said = self.get(text)
        assert said["echo"] == text
        return said


@contextmanager
def gunicorn(url: str, folder: Path, *arguments: str) -> Iterator[Server]:
    """Run the application; at the end stop gracefully, and expect silence and status 0."""
    assert find_spec("gunicorn"), "these tests need gunicorn: pip install 'redis-pool-ext[test]'"
    path = str(folder / "socket")
    command = [sys.executable, "-m", "gunicorn", "tests.runtimes.wsgi_app:application"]
    command += [
        "--preload",
        f"--workers={WORKERS}",
        f"--threads={THREADS}",
        "--bind",
        f"unix:{path}",
    ]
    command += ["--log-level", "warning", "--graceful-timeout", "15", *arguments]
    with open(folder / "stderr", "wb") as stderr:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "APP_REDIS": url}, stdout=stderr, stderr=stderr
        )
    try:
        wait_until(lambda: os.path.exists(path) or process.poll() is not None, 20)
        yield Server(process, path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert (folder / "stderr").read_text() == ""
    finally:
        process.kill()
        process.wait()


def by_worker(answers: list[dict[str, Any]]) -> dict[int, set[int]]:
    workers: dict[int, set[int]] = {}
    for said in answers:
        workers.setdefault(said["pid"], set()).add(said["client"])
    return workers


def clients(admin: redis.Redis) -> set[int]:
    mine = admin.client_id()
    return {int(client["id"]) for client in admin.client_list()} - {mine}


@pytest.fixture
def folder(tmp_path_factory) -> Path:
    """A short path: one of a unix socket has a hundred characters."""
    return tmp_path_factory.mktemp("g")


def test_preloaded_workers_share_no_connection_with_their_master(url, admin, folder):
    """Two workers with four threads each: right replies, connections of their own."""
    before = clients(admin)
    with gunicorn(url, folder) as server:
        answers = server.get_many(80)
        while len(by_worker(answers)) < WORKERS:
            answers += server.get_many(80)
        workers, master = by_worker(answers), answers[0]["master"]
        connections = [client for found in workers.values() for client in found]

        assert master["pid"] == server.process.pid
        assert len(connections) == len(set(connections))  # no connection in two workers
        assert master["client"] not in connections
        assert master["client"] in clients(admin)  # nobody cut it
        assert all(len(found) <= MAX_CONNECTIONS for found in workers.values())
        assert len(clients(admin) - before) <= (WORKERS + 1) * MAX_CONNECTIONS
    wait_until(lambda: clients(admin) <= before)


def test_workers_that_are_replaced_leave_nothing_behind(url, admin, folder):
    """--max-requests: each worker ends in order, the next one begins with an empty pool."""
    before = clients(admin)
    with gunicorn(url, folder, "--max-requests", "10") as server:
        answers = server.get_many(60)
        workers, master = by_worker(answers), answers[0]["master"]

        assert len(workers) > WORKERS
        assert master["client"] in clients(admin)
        assert all(len(found) <= MAX_CONNECTIONS for found in workers.values())
        most = (WORKERS + 1) * MAX_CONNECTIONS
        wait_until(lambda: len(clients(admin) - before) <= most)
    wait_until(lambda: clients(admin) <= before)
