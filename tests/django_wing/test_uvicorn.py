"""Under uvicorn, on both of its event loops: real sockets, clients that go away, a real end."""

from __future__ import annotations

import select
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.support.threads import spawn, wait_until

from .server import Server, run_uvicorn

NAME = "under-uvicorn"
MAX_CONNECTIONS = 2
PATIENT, IMPATIENT = 20.0, 0.5  # TIMEOUT, in seconds
REQUESTS = 30
CHUNK = 10_000  # bytes; longer than the headers, shorter than a chunk
VISITORS = 12  # of whom two have a connection, and ten wait for one

LOOPS = pytest.mark.parametrize(
    "loop",
    [
        "asyncio",
        pytest.param(
            "uvloop",
            marks=pytest.mark.skipif(
                sys.implementation.name != "cpython", reason="uvloop is for CPython"
            ),
        ),
    ],
)


Start = Callable[..., Any]


@pytest.fixture
def start(url: str, tmp_path: Path, loop: str) -> Start:
    """Starts a server, and ends it; the pool's own reports are all that it may say."""

    @contextmanager
    def running(timeout: float = PATIENT) -> Iterator[Server]:
        for library in ("uvicorn", loop):
            needs = "these tests need uvicorn: pip install 'redis-pool-ext[test]'"
            assert find_spec(library), needs
        site = {
            "REDIS_URL": url,
            "MAX_CONNECTIONS": str(MAX_CONNECTIONS),
            "TIMEOUT": str(timeout),
            "CLIENT_NAME": NAME,
        }
        with open(tmp_path / "said", "wb") as said:
            server = run_uvicorn(said, loop, site)
        try:
            wait_until(lambda: server.accepts() or server.process.poll() is not None, 20)
            yield server
            if server.process.poll() is None:
                server.end()
            assert unexpected((tmp_path / "said").read_text()) == []
        finally:
            server.process.kill()
            server.process.wait()

    return running


def unexpected(said: str) -> list[str]:
    """Return the lines that are no report of the pool's."""
    return [line for line in said.splitlines() if not line.startswith("default: ")]


def connected(admin: Redis) -> int:
    return sum(one["name"] == NAME for one in admin.client_list())


def blocked(admin: Redis) -> int:
    return sum(one["name"] == NAME and one["cmd"] == "blpop" for one in admin.client_list())


@contextmanager
def visiting(server: Server, path: str, count: int) -> Iterator[list[socket.socket]]:
    """Clients that ask, read nothing, and go: every other one as if it had crashed."""
    visitors = [server.knock(path) for _ in range(count)]
    try:
        yield visitors
    finally:
        for number, visitor in enumerate(visitors):
            if number % 2:  # a RST in place of a FIN
                visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            visitor.close()


@contextmanager
def counting(url: str) -> Iterator[list[int]]:
    """Count the site's connections on the Redis server, again and again, meanwhile."""
    counts: list[int] = []
    over = threading.Event()

    def count() -> None:
        with Redis.from_url(url) as admin:
            while not over.is_set():
                counts.append(connected(admin))
                over.wait(0.001)

    counter = spawn(count)
    try:
        yield counts
    finally:
        over.set()
        counter.result()


def visit_at_once(server: Server) -> list[Any]:
    """Send all requests, each with its number, and wait until all have arrived."""
    visits = [spawn(server.get, f"/in_turn/{number}/") for number in range(REQUESTS)]
    wait_until(lambda: len(server.ask("/order/")["entered"]) == REQUESTS, 20)
    return visits


@LOOPS
def test_all_are_served_in_order_of_arrival(start: Start, url: str, admin: Redis) -> None:
    """Thirty requests at once on two connections: thirty answers, first come first served."""
    with start() as server, counting(url) as counts:
        visits = visit_at_once(server)
        wait_until(server.is_busy(MAX_CONNECTIONS, REQUESTS - MAX_CONNECTIONS))
        server.get("/opens_the_gate/")
        answers = [visit.result() for visit in visits]
        order, stats = server.ask("/order/"), server.ask("/stats/")

    assert {answer.status for answer in answers} == {200}
    assert sorted(int(answer.body) for answer in answers) == list(range(1, REQUESTS + 1))
    assert sorted(order["served"]) == list(range(REQUESTS))
    assert in_arrival_order(order)
    assert (stats["in_use"], stats["waiting"], stats["acquired"]) == (0, 0, REQUESTS)
    assert max(counts) == stats["created"] == MAX_CONNECTIONS


@LOOPS
def test_starvation_is_told_at_once_and_with_the_view_that_causes_it(start: Start) -> None:
    """While 28 requests wait: by the probe, which joins no queue, and by the process's report."""
    with start() as server:
        visits = visit_at_once(server)
        waiting = REQUESTS - MAX_CONNECTIONS
        wait_until(server.is_busy(MAX_CONNECTIONS, waiting))
        ready = server.get("/health/ready/")
        assert (ready.status, b'"default": "saturated"' in ready.body) == (503, True)
        assert server.get("/health/live/").status == 200
        assert server.is_busy(MAX_CONNECTIONS, waiting)()
        kind = "GET /in_turn/<int:number>/ (tests.django_wing.project.served.in_turn)"
        # A look may come in the moment between taking and signing.
        wait_until(lambda: of_loop(server)["shares"].get(kind, 0.0) > 0.5)
        assert {each["kind"] for each in of_loop(server)["holders"]} == {kind}
        server.get("/opens_the_gate/")
        assert {visit.result().status for visit in visits} == {200}
        assert server.ask("/health/ready/")["pools"] == {"default": "ok"}


def of_loop(server: Server) -> dict[str, Any]:
    """Return what is reported of the loop's pool; there is one for threads beside it."""
    [found] = [each for each in server.ask("/report/")["pools"] if each["kind"] == "async"]
    return found


def in_arrival_order(order: dict[str, list[int]]) -> bool:
    """Tell whether who came first was served first; the first two dial side by side."""
    entered, served = order["entered"], order["served"]
    pair = slice(MAX_CONNECTIONS)
    rest = slice(MAX_CONNECTIONS, None)
    return sorted(entered[pair]) == sorted(served[pair]) and entered[rest] == served[rest]


@LOOPS
def test_those_not_served_in_time_get_503(start: Start) -> None:
    """The first two are answered, the others told when to come back; none is lost."""
    with start(IMPATIENT) as server:
        visits = [spawn(server.get, f"/in_turn/{number}/") for number in range(REQUESTS)]
        wait_until(lambda: server.ask("/stats/")["timed_out"] == REQUESTS - MAX_CONNECTIONS, 20)
        server.get("/opens_the_gate/")
        answers = [visit.result() for visit in visits]
        order, stats = server.ask("/order/"), server.ask("/stats/")
        assert server.get("/hits/").body == b"3"

    refused = [answer for answer in answers if answer.status == 503]
    assert len(refused) == REQUESTS - MAX_CONNECTIONS
    assert sum(answer.status == 200 for answer in answers) == MAX_CONNECTIONS
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert sorted(order["served"]) == sorted(order["entered"][:MAX_CONNECTIONS])
    assert (stats["in_use"], stats["waiting"]) == (0, 0)


@LOOPS
@pytest.mark.parametrize("path", ["/streams/", "/blocks/", "/holds/"])
def test_clients_that_go_away_cost_nothing(start: Start, url: str, admin: Redis, path: str) -> None:
    """In mid-stream, in a command, in a view, in the queue; closed in order or by a crash."""
    with start() as server, counting(url) as counts:
        for _ in range(2):
            with visiting(server, path, VISITORS) as visitors:
                wait_until(server.is_busy(MAX_CONNECTIONS, VISITORS - MAX_CONNECTIONS), 20)
                wait_until(partial(is_in_the_middle, path, visitors, admin))
            wait_until(server.is_busy(0, 0), 20)
        wait_until(lambda: blocked(admin) == 0)
        admin.rpush("nothing", "too late for any of them")
        assert [server.get("/hits/").body for _ in range(5)] == [b"1", b"2", b"3", b"4", b"5"]
        stats = server.ask("/stats/")

    assert max(counts) == MAX_CONNECTIONS
    assert stats["in_use"] == 0
    assert stats["double_releases"] == 0
    assert admin.llen("nothing") == 1


def is_in_the_middle(path: str, visitors: list[socket.socket], admin: Redis) -> bool:
    """Tell whether those who have a connection are at what the view is about."""
    if path == "/streams/":
        return sum(map(has_a_chunk, visitors)) == MAX_CONNECTIONS
    return path != "/blocks/" or blocked(admin) == MAX_CONNECTIONS


def has_a_chunk(visitor: socket.socket) -> bool:
    """Tell whether more than the headers has arrived: all get those, at once."""
    arrived = select.select([visitor], [], [], 0)[0]
    return bool(arrived) and len(visitor.recv(CHUNK, socket.MSG_PEEK)) == CHUNK


@LOOPS
def test_stream_that_is_cut_off_comes_to_its_end(start: Start, admin: Redis) -> None:
    """What stands in the `finally` of a body is done, on the lease of its request."""
    with start() as server:
        with visiting(server, "/streams/", MAX_CONNECTIONS) as visitors:
            wait_until(partial(is_in_the_middle, "/streams/", visitors, admin))
        wait_until(lambda: admin.get("ended") == b"2")
        wait_until(server.is_busy(0, 0))
    assert admin.get("begun") == b"2"


@LOOPS
def test_listeners_that_go_away_end_their_subscriptions(start: Start, admin: Redis) -> None:
    """A stream of events has its connection until its reader is gone."""
    with start() as server:
        with visiting(server, "/events/", MAX_CONNECTIONS):
            wait_until(lambda: listeners(admin) == MAX_CONNECTIONS)
            assert admin.publish("news", "hello") == MAX_CONNECTIONS
        wait_until(server.is_busy(0, 0))
        wait_until(lambda: listeners(admin) == 0)
        assert server.get("/hits/").body == b"1"


def listeners(admin: Redis) -> int:
    [(_channel, count)] = admin.pubsub_numsub("news")
    return int(count)


@LOOPS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_server_ends_in_silence_and_leaves_no_connection(
    start: Start, admin: Redis, number: signal.Signals
) -> None:
    """Nothing is said, and the Redis server has lost sight of the site."""
    with start() as server:
        assert server.get("/hits/").body == b"1"
        assert connected(admin) == 1
        server.end(number)
    wait_until(lambda: connected(admin) == 0)


@LOOPS
def test_server_that_ends_answers_what_is_under_way(start: Start, admin: Redis) -> None:
    """Those who hold a connection and those who wait for one are served before the end."""
    with start() as server:
        visits = [spawn(server.get, "/blocks/") for _ in range(MAX_CONNECTIONS + 2)]
        wait_until(server.is_busy(MAX_CONNECTIONS, 2))
        wait_until(lambda: blocked(admin) == MAX_CONNECTIONS)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not server.accepts())
        admin.rpush("nothing", *range(MAX_CONNECTIONS + 2))
        answers = [visit.result() for visit in visits]
        assert server.process.wait(20) in (0, -signal.SIGTERM)

    assert sorted(answer.body for answer in answers) == [b"0", b"1", b"2", b"3"]
    wait_until(lambda: connected(admin) == 0)
