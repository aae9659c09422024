"""The whole application on a real threaded server: never more connections than were set."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import redis

from redis_pool_ext.demo.serving import THREADS, serve

from .shop import NAME, Watch, make_shop, pool_of

MAX_CONNECTIONS = 3


class Visitor:
    """A browser: one connection, and the session's cookie."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._cookie = ""

    def get(self, path: str) -> tuple[int, bytes]:
        headers = {"Cookie": self._cookie} if self._cookie else {}
        self._connection.request("GET", path, headers=headers)
        answer = self._connection.getresponse()
        if cookie := answer.getheader("Set-Cookie"):
            self._cookie = cookie.partition(";")[0]
        return answer.status, answer.read()

    def close(self) -> None:
        self._connection.close()


def crowd(port: int, visits: int) -> Counter[int]:
    """Let as many visitors as the server has threads come so often; count the answers."""
    start = threading.Barrier(THREADS)

    def visit(_: int) -> Counter[int]:
        visitor, answers = Visitor(port), Counter[int]()
        start.wait(20)
        for turn in range(visits):
            answers[visitor.get("/stream" if turn % 4 == 3 else "/")[0]] += 1
        visitor.close()
        return answers

    with ThreadPoolExecutor(THREADS) as executor:
        return sum(executor.map(visit, range(THREADS)), Counter[int]())


def test_load_never_takes_more_connections_than_were_set(
    url: str, admin: redis.Redis, watch: Watch
):
    """Many threads, four users of Redis in each request, three connections on the server."""
    app = make_shop(url, max_connections=MAX_CONNECTIONS)
    with ExitStack() as stack, watch:
        port = serve(app, 0, stack)
        answers = crowd(port, visits=16)
    stats = pool_of(app).stats()

    assert answers == {200: THREADS * 16}
    assert watch.peak == watch.names[NAME] == MAX_CONNECTIONS
    assert watch.looks > 50
    assert (stats.created, stats.in_use, stats.acquired) == (MAX_CONNECTIONS, 0, THREADS * 16)
    assert stats.waited > 0
    assert int(admin.get("hits")) == THREADS * 12  # of 16 visits; the others stream


@pytest.mark.parametrize("has_session", [True, False], ids=["session first", "limiter first"])
def test_overload_is_answered_200_or_503_and_nothing_else(
    url: str, watch: Watch, has_session: bool
):
    """Who waits in vain is told so, and the bound holds meanwhile."""
    app = make_shop(url, max_connections=1)
    pool = pool_of(app)
    with ExitStack() as stack, watch:
        port = serve(app, 0, stack)
        visitor = Visitor(port)
        stack.callback(visitor.close)
        if has_session:
            assert visitor.get("/")[0] == 200
        with pool.lease() as other:
            other.ping()
            pool.timeout = 0.05
            assert crowd(port, visits=2) == {503: THREADS * 2}
            assert visitor.get("/")[0] == 503
        pool.timeout = 20.0
        assert visitor.get("/")[0] == 200
    assert watch.peak == 1
    assert pool.stats().in_use == 0
