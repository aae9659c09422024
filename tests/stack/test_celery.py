"""Celery beside the pool, by docs/task-queues.md: what shares it, and what bounds the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis

from tests.support.pages import DOCS
from tests.support.threads import wait_until

from .pages import Folder, files_of
from .shop import Watch

FILES = files_of(DOCS / "task-queues.md")
CHILDREN = 2
BROKER_POOL_LIMIT, TASKS, RESULTS = 2, 2, 3  # the page's

# A pool that the parent has used, and a task that would notice another's replies.
TELLS = """
from redis_pool_ext.process import pools
get_redis().ping()


@app.task
def tells(number):
    client = get_redis()
    ids = {client.client_id() for _ in range(5)}
    mine = f"{number} {os.urandom(8).hex()}"
    for turn in range(50):
        client.set(mine, turn)
        assert int(client.get(mine)) == turn
    return [os.getpid(), len(ids), get_pool().stats().in_use, get_pool().max_connections]
"""

# What a web process does: requests in many threads, each of which enqueues.
WEB = """
import json, threading
from concurrent.futures import ThreadPoolExecutor
import tasks
from contextlib import nullcontext
from redis_pool_ext import get_pool, get_redis, lease_scope

start = threading.Barrier(8)

def request(number):
    for _ in range(5):
        start.wait(20)
        with {scope}:
            get_redis().ping()
            result = tasks.tells.delay(number)
            assert get_redis().ping()   # the lease is no subscription by now
    return result.{end}

with ThreadPoolExecutor(8) as executor:
    answers = list(executor.map(request, range(8)))
print(json.dumps([answers, get_pool().stats().in_use]))
"""

WORKER = ("-m", "celery", "-A", "tasks", "worker", "-c", str(CHILDREN), "-l", "WARNING")


@pytest.fixture
def folder(tmp_path: Path, url: str) -> Folder:
    """The page's project; on the server its pools' connections are "ours", kombu's have no name."""
    made = Folder(tmp_path, REDIS_URL=f"{url}?client_name=ours", BROKER_URL=url)
    made.write({"tasks.py": FILES["tasks.py"] + TELLS})
    return made


@pytest.mark.parametrize("scope", ["lease_scope('request')", "nullcontext()"])
def test_enqueuing_takes_what_the_page_says(
    folder: Folder, admin: redis.Redis, watch: Watch, scope: str
):
    """Eight threads: two pools within their bounds, and kombu within `broker_pool_limit`."""
    with watch:
        folder.run("-c", WEB.format(scope=scope, end="id"))

    assert admin.llen("celery") == 8 * 5
    assert watch.names[""] <= 2 * BROKER_POOL_LIMIT
    assert watch.names["ours"] <= TASKS + RESULTS


def test_tasks_of_a_forking_worker_hold_one_connection_each(
    folder: Folder, admin: redis.Redis, watch: Watch
):
    """The parent has used the pool before it forks, and no child meets its connections."""
    with folder.running(*WORKER), watch:
        said = folder.run("-c", WEB.format(scope="lease_scope('request')", end="get(timeout=20)"))
        wait_until(lambda: admin.llen("celery") == 0)
    answers, in_use = json.loads(said)

    assert {tuple(answer[1:]) for answer in answers} == {(1, 1, TASKS)}
    assert len({answer[0] for answer in answers}) == CHILDREN
    assert in_use == 0
    processes = 1 + 1 + CHILDREN  # the web's, the worker's, and its children
    assert watch.names["ours"] <= processes * (TASKS + RESULTS)


def test_page_s_task_runs(folder: Folder, admin: redis.Redis):
    """Word for word, in this process as well as in a worker."""
    folder.write(FILES, "tasks.py")
    called = "import tasks; print(tasks.count_words('a b'), tasks.count_words.apply(('c',)).get())"

    assert folder.run("-c", called) == "2 3\n"
    assert admin.get("words") == b"3"
