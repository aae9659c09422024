"""docs/metrics.md: its tables are so, and its code runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from redis_pool_ext.metrics.table import BUCKETS, COUNTERS, GAUGES, TIMES, Metric
from redis_pool_ext.pooling.telling import LONG_WAIT
from redis_pool_ext.stats import REFUSALS

from ..support.pages import (
    DOCS,
    README,
    ROOT,
    SHOWN,
    block_with,
    blocks,
    headed_blocks,
    project,
    run,
    said,
)
from ..support.threads import wait_until
from ..support.timings import timings
from .readers import samples
from .test_multiprocess import Served, listens

PAGE = DOCS / "metrics.md"
TEXT = PAGE.read_text()
ROW = re.compile(r"^\| `([a-z_.]+)` \| ([a-z-]+(?: counter)?) \| (\S+) \| (.*?) ?\| (.+) \|$", re.M)
ROWS = {row[0]: row[1:] for row in ROW.findall(TEXT)}
# Programs that print what they say; the others need something around them.
PROGRAMS = ("Prometheus", "OpenTelemetry", "Anything else")


def test_every_metric_has_a_row_and_no_other():
    """In the order in which they are defined."""
    assert list(ROWS) == [each.name for each in (*GAUGES, *COUNTERS, *TIMES)]


@pytest.mark.parametrize("metric", [*GAUGES, *COUNTERS, *TIMES], ids=lambda each: each.name)
def test_row_has_type_unit_and_attributes(metric):
    """As OpenTelemetry is told."""
    kind, unit, attributes, _ = ROWS[metric.name]
    if not isinstance(metric, Metric):
        assert (kind, unit, attributes) == ("histogram", "s", "")
        return
    assert kind == ("up-down counter" if metric in GAUGES else "counter")
    assert unit == metric.unit
    assert re.findall(r"^`([\w.]+)`", attributes) == (
        [metric.attribute] if metric.attribute else []
    )


def test_reasons_of_rejections_are_all_named():
    """Those that are no timeouts."""
    named = re.findall(r"`(\w+)`", ROWS["redis_pool.rejections"][2])
    assert set(named) == set(REFUSALS) - {"timed_out"}


def test_buckets_and_the_long_wait_are_as_said():
    """In milliseconds and seconds."""
    assert "end at 0.1, 0.5, 1, 5, 10, 50, 100 and 500 ms, and at 1, 5 and 10 s" in TEXT
    assert [bound * 1000 for bound in BUCKETS[:8]] == pytest.approx(
        [0.1, 0.5, 1, 5, 10, 50, 100, 500]
    )
    assert BUCKETS[8:] == (1, 5, 10)
    assert f"more than {LONG_WAIT} s is one line in the log" in TEXT


@pytest.mark.parametrize("heading", PROGRAMS)
def test_program_prints_what_its_comments_say(url: str, heading: str):
    """It is complete, and says nothing on stderr."""
    block = dict(headed_blocks(PAGE))[heading]

    printed = run(block, url).splitlines()
    assert printed == said(block)
    assert printed


def test_workers_are_scraped_together(url: str, tmp_path_factory: pytest.TempPathFactory):
    """The application and the settings of the page, in a real gunicorn."""
    folder = tmp_path_factory.mktemp("g")
    (folder / "app.py").write_text(block_with(PAGE, "# app.py").replace(SHOWN, url))
    (folder / "gunicorn.conf.py").write_text(block_with(PAGE, "# gunicorn.conf.py"))
    (folder / "files").mkdir()
    path = folder / "socket"
    command = [sys.executable, "-m", "gunicorn", "app", "--preload", f"--bind=unix:{path}"]
    command += ["--log-level=error", "--threads=2"]
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder / "files"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=folder, env=env)
    try:
        wait_until(lambda: listens(path) or process.poll() is not None, 20)
        served = Served(process, path, asked=0)
        assert sorted(int(served.get("/")) for _ in range(20)) == list(range(1, 21))
        key = ("db_client_connection_use_time_seconds_count",)
        served.scrape_until(key, 20)
        assert samples(served.get("/metrics").decode(), "default")[key] == 20
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_line_of_the_log_is_as_shown(url: str):
    """Words and order; the numbers are an example."""
    program = block_with(PAGE, "basicConfig") + (
        "import sys, redis_pool_ext.pooling.telling\n"
        "logging.getLogger().handlers[0].setStream(sys.stdout)\n"
        "redis_pool_ext.pooling.telling.LONG_WAIT = 0.0\n"
        f"pool = redis_pool_ext.RedisPool.from_url('{SHOWN}')\n"
        "connection = pool.get_connection()\n"
    )
    line = run(program, url).splitlines()[0].removeprefix("INFO:redis_pool_ext:")
    shown = re.search(r"    (default: somebody.*?)\n\n", TEXT, re.DOTALL)
    assert shown is not None
    assert _words(line) == _words(" ".join(shown[1].split()))


def _words(line: str) -> str:
    return re.sub(r"[\d.]+", "0", line)


def test_django_sends_the_header(url: str):
    """In a project with the README's settings and the page's own."""
    pytest.importorskip("django")
    settings = block_with(README, "# settings.py") + block_with(PAGE, "# settings.py")
    views = "from django.http import HttpResponse\n" + (
        "def index(request):\n    return HttpResponse(request.redis.incr('hits'))\n"
    )
    ask = "print(Client().get('/').headers['Server-Timing'])"
    header = run(project(settings, views, ask), url).splitlines()[-1]
    assert list(timings(header)) == ["redis-pool", "redis-hold"]


def test_flask_sends_the_header(url: str):
    """As the page shows it."""
    block = block_with(PAGE, "@app.get")
    ask = "print(app.test_client().get('/').headers['Server-Timing'])"
    shown = re.search(r"    Server-Timing: (.*)", TEXT)
    assert shown is not None
    assert list(timings(run(block + ask, url))) == list(timings(shown[1]))


def test_no_block_is_left_out():
    """All of them are run above."""
    assert len(blocks(PAGE)) == len(PROGRAMS) + 5
    assert Path(PAGE).name == "metrics.md"
