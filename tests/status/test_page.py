"""The status page without a browser: what is served, with which headers, and whose numbers."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from redis_pool_ext import AsyncRedisPool, PoolExhaustedError, RedisPool
from redis_pool_ext.sizing.samples import Sample
from redis_pool_ext.status import process_report
from redis_pool_ext.status import servers as servers_side
from redis_pool_ext.status.page import PATHS, respond
from redis_pool_ext.status.page import data as data_side
from redis_pool_ext.status.samples import sum_of_samples

from ..support.threads import spawn, wait_until
from .neighbour import neighbour

FILES = [path for path in PATHS if path and not path.endswith(".json")]


def numbers(**query: str) -> dict[str, Any]:
    """Return what status.json says."""
    answer = respond("status.json", query)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


@pytest.fixture(autouse=True)
def _desks_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """See no processes but those of the test."""
    monkeypatch.setattr(servers_side, "_said", {})
    with TemporaryDirectory(prefix="desks-") as place:  # a socket's path is short
        monkeypatch.setenv("REDIS_POOL_STATUS_DIR", place)
        yield


@pytest.fixture
def pool(url: str) -> Iterator[RedisPool]:
    """A pool of two connections."""
    with RedisPool.from_url(url, max_connections=2, timeout=0.05) as pool:
        yield pool


# -- what is served --------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_everything_served_is_bound_by_a_strict_policy(pool, path: str):
    """Own files only, nothing inline, in no frame, never taken for another type."""
    answer = respond(path, {})

    assert answer.status == 200
    policy = dict(
        each.split(" ", 1) for each in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert policy == {
        "default-src": "'none'",
        **dict.fromkeys(("script-src", "style-src", "connect-src", "img-src"), "'self'"),
        **dict.fromkeys(("base-uri", "form-action", "frame-ancestors"), "'none'"),
    }
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["", "status.json", "servers.json"])
def test_numbers_are_kept_by_nobody(pool, path: str):
    """Neither a browser nor a proxy stores them."""
    assert respond(path, {}).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", FILES)
def test_files_are_kept_under_the_name_of_what_is_in_them(path: str):
    """The page names each with a mark, so that an old one is never used with a new page."""
    assert respond(path, {}).headers["Cache-Control"].startswith("private, ")
    assert re.search(rf'"{re.escape(path)}\?[0-9a-f]{{12}}"', respond("", {}).body.decode())


@pytest.mark.parametrize("path", ["", *FILES])
def test_nothing_served_names_another_host(path: str):
    """No font, script or image comes from elsewhere."""
    text = respond(path, {}).body.decode().replace("http://www.w3.org/2000/svg", "")

    assert not re.search(r"""https?:|["'(]//""", text)


def test_page_holds_nothing_inline():
    """No script, no style and no handler stands in it."""
    page = respond("", {}).body.decode()

    assert not re.search(r"<style|<script(?![^>]* src=)|\s(style|on\w+)=", page)


def test_script_makes_no_markup_of_data():
    """What comes from data is text: there is no door for markup in the script."""
    script = respond("status.js", {}).body.decode()

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)


def test_unknown_path_is_not_found():
    """Whatever stands beside the files of the package is not served."""
    assert respond("../serving.py", {}).status == 404


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"since": "then"}, "since"),
        ({"since": "nan"}, "since"),
        ({"since": "-inf"}, "since"),
        ({"process": "1 or 1"}, "process"),
        ({"process": "-1"}, "process"),
        ({"process": "²"}, "process"),
        ({"process": "1" * 5000}, "process"),
    ],
)
def test_wrong_question_is_refused_with_what_is_expected(query: dict[str, str], word: str):
    """400, and the name of the argument."""
    answer = respond("status.json", query)

    assert answer.status == 400
    assert answer.body.decode().startswith(f"{word}: ")


# -- this process's numbers ------------------------------------------------------------------


def test_numbers_are_those_of_stats_to_the_last_request(pool):
    """Served, waited and refused: what the load counted itself."""
    for _ in range(7):
        with pool.lease() as client:
            client.ping()
    with held(pool), pytest.raises(PoolExhaustedError), pool.lease() as client:
        client.ping()

    (shown,) = numbers()["pools"]
    stats = pool.stats()
    assert shown["stats"] == stats.as_dict() | {"refused": 1}
    assert (stats.acquired, stats.timed_out, stats.released) == (9, 1, 9)


@contextmanager
def held(pool: RedisPool) -> Iterator[None]:
    """Hold all connections."""
    with ExitStack() as stack:
        for _ in range(pool.max_connections):
            stack.enter_context(pool.lease("somebody")).ping()
        yield


def test_wait_is_shown_no_longer_than_the_longest_was(pool):
    """Percentiles are read off buckets, which end at 20 ms, 50 ms, 100 ms."""
    with pool.lease() as client:
        client.ping()
    wait_until(lambda: bool(pool.samples()))
    pool.timeout = 0.06
    with held(pool), pytest.raises(PoolExhaustedError), pool.lease() as client:
        client.ping()
    wait_until(lambda: any(each.waited for each in pool.samples()))

    (shown,) = numbers()["pools"]
    longest = shown["stats"]["wait_seconds_max"]
    assert 0.0 < shown["window"]["waits_p99"] <= longest
    assert 0.0 < max(each["waits_p99"] for each in shown["samples"]) <= longest


def test_exhausted_pool_is_shown_without_a_wait_for_it(pool):
    """Page, numbers and the server's view come while all connections are out."""
    with held(pool):
        assert [respond(path, {}).status for path in PATHS] == [200] * len(PATHS)
        (shown,) = numbers()["pools"]

    assert [each["name"] for each in shown["holders"]] == ["somebody"] * 2
    assert pool.stats().acquired == 2  # nobody else took one
    assert pool.stats().waited == 0


def test_samples_come_once(pool):
    """Who has those up to a moment gets the later ones only."""
    with pool.lease() as client:
        client.ping()
        wait_until(lambda: len(pool.samples()) >= 2)
    (shown,) = numbers()["pools"]
    last = shown["samples"][-1]["at"]

    (later,) = numbers(since=str(shown["samples"][-2]["at"]))["pools"]
    assert later["samples"][0]["at"] == last
    (none,) = numbers(since=str(time.time() + 1))["pools"]
    assert none["samples"] == []


def test_no_password_is_shown(url):
    """Neither in the numbers nor in what is said of the server."""
    address = url.replace("redis://", "redis://someone:s3cret@")
    with RedisPool.from_url(address, timeout=0.5):
        said = respond("status.json", {}).body + respond("servers.json", {}).body

    assert b"s3cret" not in said
    assert b"someone" not in respond("servers.json", {}).body


def test_process_without_pools_says_so():
    """There is nothing to show, and that is no error."""
    data = numbers()

    assert data["pools"] == []
    assert data["error"] is None


# -- the others ------------------------------------------------------------------------------


def test_other_process_is_listed_and_can_be_shown(pool, url):
    """Which one answers stands there as well."""
    with neighbour(url) as pid:
        data = numbers(process=str(pid))

    assert data["answered_by"] == os.getpid()
    assert [each["pid"] for each in data["processes"]] == sorted([os.getpid(), pid])
    (shown,) = data["pools"]
    assert shown["processes"] == [pid]
    assert [(each["name"], each["pid"]) for each in shown["holders"]] == [("a neighbour", pid)]


def test_all_processes_are_shown_in_sum(pool, url):
    """Sizes, totals and times are added up, and holders know their process."""
    with neighbour(url) as pid, held(pool):
        data = numbers(process="all")

    (shown,) = data["pools"]
    assert shown["processes"] == [os.getpid(), pid]
    assert (shown["stats"]["max_connections"], shown["stats"]["in_use"]) == (5, 3)
    assert shown["stats"]["acquired"] == 3
    assert sum(shown["stats"]["waits"]["counts"]) == 3
    assert {each["pid"] for each in shown["holders"]} == {os.getpid(), pid}
    assert [each["pid"] for each in shown["advice"]] == [os.getpid(), pid]


def test_process_of_another_project_is_not_shown(pool, url):
    """The staff of one need not know of the other, though one user runs both."""
    with neighbour(url, "another") as pid:
        data = numbers(process=str(pid))

    assert [each["pid"] for each in data["processes"]] == [os.getpid()]
    assert data["pools"] == []
    assert "another project" in data["error"]


def test_pools_of_another_project_in_a_process_of_this_one_are_not_shown(pool, monkeypatch):
    """It serves two applications; the staff of one need not know of the other's."""
    own = process_report(samples=0)
    theirs = own["pools"][0] | {"alias": "theirs"}
    process = own["process"] | {"pid": 7, "projects": [*own["process"]["projects"], "another"]}
    both = own | {"process": process, "pools": [*own["pools"], theirs]}
    monkeypatch.setattr(data_side, "ask_processes", lambda **_: [both])

    data = numbers(process="7")
    assert [each["alias"] for each in data["pools"]] == ["default"]
    assert [each["alias"] for each in data["processes"][0]["pools"]] == ["default"]


# -- seen from the server --------------------------------------------------------------------


def servers() -> list[dict[str, Any]]:
    """Return what servers.json says."""
    return json.loads(respond("servers.json", {}).body)["servers"]


def test_server_tells_its_clients_by_name_and_address(url):
    """Those of this process, and those of others; on no connection of the pool."""
    named = RedisPool.from_url(url, max_connections=2, client_name="the-shop")
    with named as pool, held(pool):
        (server,) = servers()

    assert server["error"] is None
    assert {"name": "the-shop", "address": "127.0.0.1", "connections": 2} in server["clients"]
    assert server["connected"] >= 3
    assert server["maxclients"] > 100


def test_server_is_not_asked_again_at_once(pool, admin):
    """However many look at the page."""
    first = servers()
    before = admin.info("stats")["total_connections_received"]

    assert servers() == first
    assert admin.info("stats")["total_connections_received"] == before


def test_server_that_is_down_is_told_with_its_error():
    """And the numbers come all the same."""
    with RedisPool.from_url("redis://127.0.0.1:1/0"):
        (server,) = servers()
        assert "Error" in server["error"]
        assert len(numbers()["pools"]) == 1


def test_hung_server_holds_up_nobody_else():
    """One asks, and its time is bounded; others get at once what is known."""
    with socket.create_server(("127.0.0.1", 0)) as hung:
        port = hung.getsockname()[1]
        with RedisPool.from_url(f"redis://127.0.0.1:{port}/0"):
            asking = spawn(servers)
            visitor, _ = hung.accept()
            with visitor:
                assert [each["error"] for each in servers()] == ["is being asked"]
                (said,) = asking.result(5)
    assert "Timeout" in said["error"]


def test_pool_for_tasks_has_its_server_asked_too(url):
    """By a connection for threads, with the same settings."""
    pool = AsyncRedisPool.from_url(url)

    (server,) = servers()
    assert server["error"] is None
    assert server["connected"] >= 1
    del pool


# -- sums ------------------------------------------------------------------------------------


def sample(at: float, seconds: float, **values: float) -> dict[str, float]:
    """Return a sample with nothing in it but this."""
    names = [each.name for each in fields(Sample)] + ["waits_p50", "waits_p99"]
    names += ["holds_p50", "holds_p99"]
    return dict.fromkeys(names, 0) | {"looks": 5, "at": at, "seconds": seconds} | values


def test_samples_are_summed_second_by_second():
    """Each second takes the samples that cover it, whenever a process takes its own."""
    one = [sample(10.2, 1.2, in_use=1, acquired=12), sample(11.4, 1.2, in_use=2, acquired=24)]
    other = [sample(9.9, 1.0, in_use=10), sample(11.0, 1.1, in_use=20, acquired=11)]

    summed = sum_of_samples([one, other])

    assert [each["at"] for each in summed] == [9.0, 10.0, 11.0]
    assert [each["in_use"] for each in summed] == [11, 21, 22]
    assert summed[-1]["acquired"] == pytest.approx(24 / 1.2 + 11 / 1.1)


def test_process_that_takes_no_samples_any_more_does_not_stop_the_others():
    """Its last one is old, and left out."""
    gone = [sample(3.0, 1.0, in_use=100)]
    here = [sample(10.0, 1.0, in_use=1), sample(11.0, 1.0, in_use=1)]

    assert [each["in_use"] for each in sum_of_samples([gone, here])] == [1, 1, 1]
