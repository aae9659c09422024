"""A pool without a free connection, under a real server: who is said to hold it?"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

from redis_pool_ext import RedisPool, get_pool, status

from ..support.served import get, running
from .project.urls_held import Stage


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *_args: Any) -> None:
        """Say nothing of each request."""


@pytest.fixture
def pool(settings: Any, url: str) -> RedisPool:
    """Two connections, and no observer but the test."""
    entry = {"URL": url, "MAX_CONNECTIONS": 2, "TIMEOUT": 0.1, "HOUSEKEEPING_INTERVAL": None}
    settings.REDIS_POOLS = {"default": entry}
    return get_pool()


@pytest.fixture
def port(pool: RedisPool) -> Iterator[int]:
    """Where the project is served, a thread per request."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), QuietHandler)
    server.set_app(WSGIHandler())
    with running(server) as port:
        yield port


REPORT = "/reports/{}/"
KIND = "GET /reports/<int:number>/ (tests.django_wing.project.urls_held.report)"


@pytest.mark.urls("tests.django_wing.project.urls_held")
def test_exhausted_pool_is_told_with_the_view_that_holds_it(
    pool: RedisPool, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """In one record of the log, among the holders, in the report of the process, in the shares."""
    Stage.begin(2)
    with ThreadPoolExecutor(2) as threads:
        views = [threads.submit(get, port, REPORT.format(number)) for number in (7, 8)]
        Stage.arrived.wait(20)
        statuses = [get(port, "/hits/")[0] for _ in range(3)]
        pool.history.keep_house()
        holders, pools = pool.holders(), status.process_report()["pools"]
        Stage.go.set()
        assert [view.result()[0] for view in views] == [200, 200]

    assert statuses == [503] * 3
    [report] = [each for each in pools if each["holders"]]  # others wait to be collected
    [record] = [each for each in caplog.records if each.levelname == "WARNING"]
    assert record.getMessage().count("(tests.django_wing.project.urls_held.report)") == 2
    assert {each.kind for each in holders} == {KIND}
    assert [each["kind"] for each in report["holders"]] == [KIND, KIND]
    assert pool.shares() == report["shares"] == {KIND: 1.0}
