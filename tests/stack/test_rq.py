"""RQ on the pool, by docs/task-queues.md: enqueued on the lease, done in other processes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

import redis_pool_ext
from redis_pool_ext import get_pool, get_redis, lease_scope, shared_redis
from tests.support.pages import DOCS
from tests.support.threads import wait_until

from .pages import Folder, files_of
from .shop import Watch

FILES = files_of(DOCS / "task-queues.md")
WORDS = "one process one pool"
MAX_CONNECTIONS = 3  # the page's

# What the page's job cannot tell: who did it, and that the lease was one connection.
TELLS = """

def tells(number):
    with lease_scope("tells"):
        client = get_redis()
        ids = {client.client_id() for _ in range(5)}
        for turn in range(20):
            client.set(f"mine {number}", turn)
            assert int(client.get(f"mine {number}")) == turn
        return [os.getpid(), len(ids), queue.connection.client_id() in ids]
"""

BURST = """
from jobs import queue
from redis_pool_ext import get_pool
from rq.worker import {kind}

{kind}([queue]).work(burst=True)
print(f'in use: {{get_pool().stats().in_use}}')
"""


@pytest.fixture
def folder(tmp_path: Path, url: str) -> Folder:
    """The page's project; its connections are called "ours" on the server."""
    made = Folder(tmp_path, REDIS_URL=f"{url}?client_name=ours")
    made.write({**FILES, "jobs.py": FILES["jobs.py"] + TELLS}, "jobs.py", "worker.py")
    return made


@pytest.fixture
def jobs(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The page's module, here, where the web process is."""
    monkeypatch.setenv("REDIS_URL", folder.environ["REDIS_URL"])
    monkeypatch.syspath_prepend(str(folder.path))
    import jobs

    yield jobs
    del sys.modules["jobs"]


def test_request_enqueues_on_its_lease(jobs: Any):
    """As many jobs as it likes, and a command of its own: one connection."""
    with lease_scope():
        get_redis().ping()
        for _ in range(3):
            jobs.queue.enqueue(jobs.count_words, WORDS)
        assert len(jobs.queue) == 3
        assert get_pool().stats().in_use == 1
    stats = get_pool().stats()
    assert (stats.acquired, stats.created, stats.in_use) == (1, 1, 0)


def test_thread_without_a_request_enqueues_and_gives_back(jobs: Any):
    """Each command borrows, and so does a pipeline."""
    jobs.queue.enqueue(jobs.count_words, WORDS)
    stats = get_pool().stats()
    assert (stats.in_use, stats.created) == (0, 1)


def test_page_s_worker_does_the_work(folder: Folder, jobs: Any, admin: redis.Redis):
    """With its scheduler, until it is told to end, which it does."""
    for _ in range(2):
        jobs.queue.enqueue(jobs.count_words, WORDS)
    with folder.running("worker.py"):
        wait_until(lambda: admin.get("words") == b"8")


@pytest.mark.parametrize("kind", ["SimpleWorker", "Worker", "SpawnWorker"])
def test_worker_of_each_kind_keeps_within_the_bound(
    folder: Folder, jobs: Any, watch: Watch, kind: str
):
    """In itself, in a fork, in a new process: the jobs are right, and connections few."""
    enqueued = [jobs.queue.enqueue(jobs.tells, number) for number in range(2)]
    get_pool().close()
    with watch:
        # It says that it closes the connection which RQ gives the worker's name.
        said = folder.run("-c", BURST.format(kind=kind), strictly=False)
    assert said.splitlines()[-1] == "in use: 0"
    pids = set()
    for job in enqueued:
        pid, connections, is_shared = job.return_value()
        assert (connections, is_shared) == (1, True)
        pids.add(pid)

    assert len(pids) == (1 if kind == "SimpleWorker" else 2)
    processes = 1 if kind == "SimpleWorker" else 2  # at a time
    assert 2 <= watch.names["ours"] <= processes * MAX_CONNECTIONS


def test_clients_that_rq_makes_anew_are_plain_ones(jobs: Any, url: str):
    """For its scheduler and its pool of workers it takes class and arguments of ours."""
    from rq.connections import parse_connection

    kind, connection_class, kwargs = parse_connection(shared_redis())
    pool = redis.ConnectionPool(connection_class=connection_class, **kwargs)

    with kind(connection_pool=pool) as client:
        assert type(client) is redis.Redis
        assert client.client_getname() == "ours"
    pool.disconnect()
    assert json.loads(json.dumps(kwargs["socket_keepalive"])) is True


def test_worker_s_timeout_is_not_everybody_s(jobs: Any):
    """RQ writes a `socket_timeout` of minutes into the arguments of what it was given."""
    from rq import SimpleWorker

    SimpleWorker([jobs.queue])
    assert "socket_timeout" not in get_pool().connection_kwargs
    redis_pool_ext.configure({})
