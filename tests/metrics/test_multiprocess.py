"""Several worker processes, one scrape: a real gunicorn, and the files that its workers share."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ..support.threads import spawn, wait_until
from ..support.unix_http import fetch
from .readers import Key, samples

ROOT = Path(__file__).parents[2]
WORKERS, MAX_CONNECTIONS = 2, 2
WAITS = "db_client_connection_wait_time_seconds"
USES = "db_client_connection_use_time_seconds"


class Served:
    """A gunicorn on a unix socket, and how often it was asked."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path, asked: int) -> None:
        self.process, self.path, self.asked = process, path, asked

    def get(self, url: str) -> bytes:
        status, body = fetch(self.path, url)
        assert status == 200, (body, (self.path.parent / "stderr").read_text())
        return body

    def ask(self, times: int) -> set[int]:
        """Ask so often, from eight threads; return which workers have answered."""

        def ask(first: int) -> set[int]:
            return {int(self.get("/")) for _ in range(first, times, 8)}

        self.asked += times
        return set().union(*(asker.result(50) for asker in [spawn(ask, n) for n in range(8)]))

    def ask_all(self) -> set[int]:
        """Ask until each worker has answered."""
        found: set[int] = set()
        while len(found) < WORKERS:
            found |= self.ask(40)
        return found

    def scrape(self) -> dict[Key, float]:
        return samples(self.get("/metrics").decode(), "default")

    def scrape_until(self, key: Key, number: float) -> dict[Key, float]:
        """Scrape until that is told; the workers write once a second."""
        found: dict[Key, float] = {}

        def is_told() -> bool:
            nonlocal found
            found = self.scrape()
            return found.get(key) == number

        wait_until(is_told, 20)
        return found

    def workers(self) -> set[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return set(map(int, children.read_text().split()))


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as visitor, suppress(OSError):
        visitor.connect(str(path))
        return True
    return False


@contextmanager
def gunicorn(url: str, folder: Path, *arguments: str, warm: bool = False) -> Iterator[Served]:
    path, files = folder / "socket", folder / "files"
    files.mkdir()
    command = [sys.executable, "-m", "gunicorn", "tests.metrics.served:application"]
    command += ["--config=python:tests.metrics.served", f"--workers={WORKERS}", "--threads=4"]
    command += [f"--bind=unix:{path}", "--log-level=error", "--graceful-timeout=15", *arguments]
    env = {**os.environ, "APP_REDIS": url, "PROMETHEUS_MULTIPROC_DIR": str(files)}
    env |= {"APP_WARM": "1"} if warm else {}
    with open(folder / "stderr", "wb") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=stderr, stderr=stderr)
    try:
        wait_until(lambda: listens(path) or process.poll() is not None, 20)
        yield Served(process, path, asked=1 if warm else 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        said = (folder / "stderr").read_text().splitlines()
        assert [line for line in said if "was sent SIGKILL" not in line] == []
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def folder(tmp_path_factory) -> Path:
    """A short path: one of a unix socket has a hundred characters."""
    return tmp_path_factory.mktemp("g")


def assert_told(served: Served, admin: Any) -> dict[Key, float]:
    """Each request was told, once: the load's count, the server's, and the scrape's."""
    found = served.scrape_until((f"{USES}_count",), served.asked)
    assert found[f"{WAITS}_count",] == served.asked
    assert found[f"{WAITS}_bucket", "+Inf"] == found[f"{USES}_bucket", "+Inf"] == served.asked
    assert found["db_client_connection_timeouts_total",] == 0
    assert found.get(("db_client_connection_count", "used"), 0) == 0  # there may be no worker
    return found


@pytest.mark.parametrize("is_preloaded", [False, True], ids=["each by itself", "--preload"])
def test_scrape_has_every_request_of_all_workers(url, admin, folder, is_preloaded):
    """To the last one; also after one worker was killed, and another one took its place."""
    arguments = ["--preload"] if is_preloaded else []
    with gunicorn(url, folder, *arguments, warm=is_preloaded) as served:
        workers = served.ask_all()
        found = assert_told(served, admin)
        masters = 1 if is_preloaded else 0  # its pool is one more
        assert found["db_client_connection_max",] == (WORKERS + masters) * MAX_CONNECTIONS

        dead = min(workers)
        os.kill(dead, signal.SIGKILL)
        wait_until(lambda: dead not in served.workers() and len(served.workers()) == WORKERS)
        assert (served.ask_all() | served.ask_all()) - {dead}
        found = assert_told(served, admin)
        assert found["db_client_connection_max",] == (WORKERS + masters) * MAX_CONNECTIONS
        assert int(admin.get("served")) == served.asked - masters


def test_worker_that_ends_in_order_leaves_all_its_numbers(url, admin, folder):
    """It writes once more as it ends, so nothing is missing, however soon after a request."""
    with gunicorn(url, folder) as served:
        workers = served.ask_all()
        for worker in workers:
            os.kill(worker, signal.SIGTERM)
        wait_until(lambda: not workers & served.workers() and len(served.workers()) == WORKERS)

        found = served.scrape()
        assert found[f"{USES}_count",] == found[f"{WAITS}_count",] == served.asked


def test_workers_that_are_replaced_all_the_time_lose_nothing(url, admin, folder):
    """--max-requests: the sum is that of all the workers that there were."""
    with gunicorn(url, folder, "--max-requests=25") as served:
        seen: set[int] = set()
        for _ in count():
            seen |= served.ask(40)
            if len(seen) >= 3 * WORKERS:
                break
        assert_told(served, admin)


OF_A_NAMESAKE = """
from prometheus_client import CollectorRegistry, generate_latest, multiprocess, values
from redis_pool_ext import RedisPool
from redis_pool_ext.metrics.prometheus import mirror_now

values.ValueClass = values.MultiProcessValue(lambda: 7)  # the number of this process
def use():
    pool = RedisPool.from_url("fakeredis://", housekeeping_interval=None)
    pool.release(pool.get_connection())
    mirror_now()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    for line in generate_latest(registry).decode().splitlines():
        if line.startswith("db_client_connection_wait_time_seconds_count"):
            print(float(line.split()[-1]))
use()
"""


def test_number_of_a_dead_process_that_is_given_out_again_adds_up(tmp_path: Path):
    """What is in the file already was counted, too."""
    said = [
        subprocess.run(
            [sys.executable, "-c", OF_A_NAMESAKE],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        ).stdout
        for _ in range(2)
    ]

    assert said == ["1.0\n", "2.0\n"]
