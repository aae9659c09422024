"""The wing under a real threaded server, with real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask, Response, g

from redis_pool_ext.flask import current_redis

from ..support.served import get
from .support import TIMEOUT, all_held, announce_close, make_app, named, pool_of, serving


@pytest.fixture
def port(app: Flask) -> Iterator[int]:
    """The port where the app is served."""
    with serving(app) as port:
        yield port


def test_threads_of_a_server_share_the_pool(app, pool, port):
    """Forty requests, eight at a time, on two connections: all served, none left in use."""
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: get(port, "/hit"), range(40)))
    assert sorted(int(body) for _status, body in answers) == list(range(1, 41))
    stats = pool.stats()
    assert (stats.in_use, stats.acquired) == (0, 40)
    assert stats.created <= 2


def test_full_pool_is_a_503_and_recovers(app, pool, port):
    """While both connections are out the server answers 503, and then 200 again."""
    with all_held(app):
        assert get(port, "/hit")[0] == 503
        assert get(port, "/plain") == (200, "plain")
    assert get(port, "/hit")[0] == 200
    assert pool.stats().in_use == 0


def test_two_slow_views_make_the_third_request_wait_in_vain(app, pool, port):
    """Views, not tests, hold the connections here."""
    both, go = threading.Barrier(3), threading.Event()

    @app.get("/slow")
    def slow() -> str:
        current_redis.ping()
        both.wait(20)
        go.wait(20)
        return "slow"

    with ThreadPoolExecutor(2) as threads:
        views = [threads.submit(get, port, "/slow") for _ in range(2)]
        both.wait(20)
        pool.timeout = TIMEOUT
        assert get(port, "/hit")[0] == 503
        go.set()
        assert [view.result() for view in views] == [(200, "slow")] * 2
    assert get(port, "/hit")[0] == 200
    assert pool.stats().in_use == 0


def test_client_that_disconnects_in_a_stream_gives_the_connection_back(app, pool):
    """The server closes the response, and with it the lease, when it cannot send."""

    @app.get("/endless")
    def endless() -> Response:
        client = g.redis
        return Response(b"x" * 65536 for _ in iter(client.ping, None))

    closed = announce_close(app)
    with serving(app) as port:
        with socket.create_connection(("127.0.0.1", port), 20) as sock:
            sock.sendall(b"GET /endless HTTP/1.0\r\n\r\n")
            assert sock.recv(9) == b"HTTP/1.1 "
            assert pool.stats().in_use == 1
        assert closed.wait(20)
        assert (pool.stats().in_use, pool.stats().idle) == (0, 1)


def test_server_threads_leave_one_connection_behind(url, admin):
    """Requests in turn, each in a thread of the server's, open one connection in all."""
    app = make_app(url, options={"client_name": "in-turn"})
    with serving(app) as port:
        for _ in range(20):
            assert get(port, "/hit")[0] == 200
        assert len(named(admin, "in-turn")) == pool_of(app).stats().created == 1
