"""Tasks: one loop for all, every client in the table, and a crowd that takes turns."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from benchmarks import task_clients, task_crowd, tasks
from benchmarks.harness import Effort, Result, timings
from benchmarks.one_loop import AsyncContender, hosted
from benchmarks.task_crowd import CONNECTIONS, KINDS, TASKS, AsyncPool

ROOT = Path(__file__).parent.parent.parent
LEAST = Effort(rounds=2, seconds=0.02, factor=0.002)

PROMISED = {
    "GET, asyncio, loopback": [
        "redis_pool_ext, leased",
        "redis_pool_ext, pooled",
        "redis.asyncio, pinned",
        "redis.asyncio, pooled",
        "redis.asyncio, blocking pool",
        "coredis",
        "valkey-glide",
        "bare streams + hiredis",
        "bare streams + hiredis, no timeout",
    ],
    "client + GET + return, asyncio, loopback": [
        "redis_pool_ext, a lease",
        "redis.asyncio, a client per request",
        "redis.asyncio, a pinned client per request",
        "redis.asyncio, one client for all",
    ],
    "64 tasks, 10 connections": [
        "redis_pool_ext",
        "redis.asyncio blocking",
        "smallest fair semaphore",
    ],
}

CROWD = "64 tasks, 10 connections"


# glide's threads outlive its clients, and Python warns of a fork where there are threads: what
# has to do with it runs in a process of its own.
MEASURE = f"""
import json
from benchmarks import tasks
from benchmarks.harness import Effort
print(json.dumps(tasks.measure({LEAST}).as_dict()))
"""


@pytest.fixture(scope="module")
def result() -> Result:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    # Nor do the clients complain of how they are treated.
    assert (done.returncode, done.stderr) == (0, "")
    return Result.from_dict(json.loads(done.stdout))


@pytest.fixture
def runner():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def options(url, redis_server, admin):
    admin.set("key", "hello")
    return {"host": redis_server.host, "port": redis_server.port, "socket_timeout": 5.0}


class TestMeasure:
    """The table."""

    def test_benchmark_has_the_rows_it_promises(self, result):
        """Ours first, its peers after, in each group; but those that are not installed."""
        groups: dict[str, list[str]] = {group: [] for group in PROMISED}
        for row in result.rows:
            groups[row.group].append(row.name)
        absent = set(task_clients.absent())

        assert groups == {
            group: [name for name in names if name not in absent]
            for group, names in PROMISED.items()
        }

    def test_benchmark_yields_finite_figures(self, result):
        """A GET has its times and the ratio, a crowd its waits and turns."""
        for row in result.rows:
            columns = set(task_crowd.COLUMNS) if row.group == CROWD else {"wall", "cpu", "ratio"}
            assert set(row.values) == columns <= set(result.unit)
            assert all(map(math.isfinite, row.values.values()))

    def test_benchmark_compares_what_it_says(self, result):
        """CPU time with that of the first row, and with redis.asyncio's pool for the target."""
        pooled = next(row for row in result.rows if row.name == task_clients.POOLED)

        assert result.ratio_of == "cpu"
        assert set(result.highlights) <= set(PROMISED)
        assert [target.ratio for target in result.targets] == [pooled.values["ratio"]]


def test_client_that_is_not_installed_is_left_out_and_told(monkeypatch):
    """A machine for which it has no build still has a table."""
    monkeypatch.setattr(task_clients, "find_spec", lambda name: None if name == "glide" else name)
    names = [each.name for each in task_clients.clients({"socket_timeout": 5.0})]

    assert "valkey-glide" not in names
    assert "coredis" in names
    remarks = tasks._remarks([], LEAST)
    assert [remark for remark in remarks if "not installed" in remark] == [
        "valkey-glide: not installed here, and so not in the table"
    ]


class TestOneLoop:
    """`hosted`, between coroutines and the harness."""

    def test_contender_is_opened_and_closed_by_one_task_and_run_by_others(self, runner):
        """In the runner's loop, all of them."""
        seen = []

        def note(what):
            assert asyncio.get_running_loop() is runner.get_loop()
            seen.append((what, asyncio.current_task()))

        @asynccontextmanager
        async def opening():
            async def work(number):
                note(number)

            note("open")
            yield work
            note("close")

        timings([hosted(runner, AsyncContender("a", opening))], rounds=1, number=20)

        assert [what for what, _ in seen] == ["open", 2, 20, "close"]
        opened, first, second, closed = (task for _, task in seen)
        assert opened is closed
        assert len({opened, first, second}) == 3

    def test_contender_that_does_not_open_raises_its_error(self, runner):
        """Nothing of it is left in the loop."""

        @asynccontextmanager
        async def opening():
            raise RuntimeError("boom")
            yield

        with (
            pytest.raises(RuntimeError, match="boom"),
            hosted(runner, AsyncContender("a", opening)).setup(),
        ):
            pass

        assert not asyncio.all_tasks(runner.get_loop())

    def test_contender_whose_work_fails_is_closed(self, runner):
        """And the error is the caller's."""
        seen = []

        @asynccontextmanager
        async def opening():
            async def work(_number):
                raise RuntimeError("boom")

            yield work
            seen.append("closed")

        with (
            pytest.raises(RuntimeError, match="boom"),
            hosted(runner, AsyncContender("a", opening)).setup() as run,
        ):
            run(1)

        assert seen == ["closed"]


class TestClients:
    """Each client in each way."""

    def test_every_client_gets_the_key_and_leaves_nothing_in_the_loop(self, runner, options):
        """Those that can run in this process."""
        for each in [*task_clients.clients(options), *task_clients.requests(options)]:
            if each.name == task_clients.GLIDE:
                continue
            with hosted(runner, each).setup() as run:
                run(3)

            assert not asyncio.all_tasks(runner.get_loop()), each.name

    def test_wrong_answer_is_an_error(self, runner, options, admin):
        """Who asks a server that has no such key has measured something else."""
        admin.delete("key")
        bare = next(
            each for each in task_clients.clients(options) if each.name == task_clients.BARE
        )

        with (
            pytest.raises(RuntimeError, match="does not answer as it should"),
            hosted(runner, bare).setup(),
        ):
            pass


class TestCrowd:
    """Tasks that share a few connections."""

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
    def test_every_task_has_a_turn_and_no_connection_two_holders(self, kind, runner, options):
        """Also where whoever runs takes what is free: what was begun is finished."""
        held = set()
        most = 0

        async def get(pool):
            nonlocal most
            connection = await pool.get()
            assert id(connection) not in held
            held.add(id(connection))
            most = max(most, len(held))
            return connection

        async def put(pool, connection):
            held.remove(id(connection))
            await pool.put(connection)

        async def play():
            async with kind.open(options) as pool:
                watched = AsyncPool(partial(get, pool), partial(put, pool))
                return await task_crowd.crowd(watched, 0.02)

        found = runner.run(play())

        assert most == CONNECTIONS
        assert not held
        assert len(found.served) == TASKS
        assert min(found.served) >= 1
        assert found.waits == sorted(found.waits)
        assert len(found.waits) == sum(found.served)

    def test_error_in_a_crowd_is_raised(self, runner):
        """A benchmark in which a task failed has measured nothing."""

        async def fail():
            raise RuntimeError("boom")

        with pytest.raises(ExceptionGroup) as caught:
            runner.run(task_crowd.crowd(AsyncPool(fail, fail), 0.02))

        assert caught.group_contains(RuntimeError, match="boom")
