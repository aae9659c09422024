"""A pool without a free connection, under a real server: who is said to hold it?"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from flask import Flask, request

from redis_pool_ext import status
from redis_pool_ext.flask import current_redis
from redis_pool_ext.flask.names import RequestName

from ..support.served import get
from .support import TIMEOUT, make_app, pool_of, serving

KIND = "GET /reports/<int:number> (report)"


def test_exhausted_pool_is_told_with_the_view_that_holds_it(url, caplog):
    """In one record of the log, among the holders, in the report of the process, in the shares."""
    app = make_app(url)
    pool = pool_of(app)
    pool.housekeeping_interval = None  # no observer but the test
    both, go = threading.Barrier(3), threading.Event()

    @app.get("/reports/<int:number>")
    def report(number: int) -> str:
        current_redis.ping()
        both.wait(20)
        go.wait(20)
        return f"report {number}"

    with serving(app) as port, ThreadPoolExecutor(2) as threads:
        views = [threads.submit(get, port, f"/reports/{number}") for number in (7, 8)]
        both.wait(20)
        pool.timeout = TIMEOUT
        statuses = [get(port, "/hit")[0] for _ in range(3)]
        pool.history.keep_house()
        holders, pools = pool.holders(), status.process_report()["pools"]
        go.set()
        assert [view.result()[0] for view in views] == [200, 200]

    assert statuses == [503] * 3
    [told] = [each for each in pools if each["holders"]]  # others wait to be collected
    [record] = [each for each in caplog.records if each.name == "redis_pool_ext"]
    assert record.getMessage().count(KIND) == 2
    assert {each.kind for each in holders} == {KIND}
    assert [each["kind"] for each in told["holders"]] == [KIND, KIND]
    assert pool.shares() == told["shares"] == {KIND: 1.0}


def kind(app: Flask, path: str, method: str = "GET") -> str:
    with app.test_request_context(path, method=method):
        return RequestName(request._get_current_object()).kind


def test_requests_without_a_view_are_of_one_kind(app):
    """Paths that lead nowhere are as many as clients like, and may have tokens in them."""
    assert kind(app, "/nowhere/s3cret") == kind(app, "/elsewhere") == "GET without a view"


def test_method_that_a_client_has_made_up_is_no_kind_of_its_own(app):
    """Otherwise each visitor could fill the list of kinds."""
    assert kind(app, "/plain", "MADEUP") == "an odd method without a view"
