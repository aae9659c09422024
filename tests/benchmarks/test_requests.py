"""Web requests: each contender does the same work, and the measures yield what they promise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from benchmarks import cached, middleware, requests, serving
from benchmarks.child import Child
from benchmarks.harness import Effort
from benchmarks.web.data import GETS, PAGE, body, store
from benchmarks.web.load import visit
from benchmarks.web.rounds import WORKER
from benchmarks.web.sites import BARE, FRAMEWORKS, OURS
from redis_pool_ext.embedded import EmbeddedRedis

LEAST = Effort(rounds=1, seconds=0.05, factor=0.01)

SITES = [(framework, site) for framework, sites in FRAMEWORKS.items() for site in sites]


# Of each framework what its targets name: a process for each takes longer than its requests.
FEW = {"Django": (OURS, *requests.PEERS), "Flask": (OURS, "flask-redis")}


@pytest.fixture(autouse=True)
def _few_rounds(monkeypatch):
    """As many as it takes to see which belong together; more of them make figures, not rows."""
    for module in (cached, middleware, requests):
        monkeypatch.setattr(module, "MORE", 2)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedRedis]:
    """A server of this module's own: what it counts is counted here."""
    with EmbeddedRedis() as server:
        store(server.url)
        yield server


@pytest.fixture(scope="module")
def clerk(server) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture(scope="module", params=SITES, ids=", ".join)
def application(request, server) -> Iterator[Child]:
    framework, site = request.param
    with Child(WORKER, framework.lower(), site, server.url) as child:
        yield child


@pytest.mark.parametrize("gets", GETS)
def test_contenders_answer_the_same(application, gets: int):
    """What each reads is what was stored, so often."""
    assert application.ask("page", path=f"/{gets}") == ["200 OK", body(gets)]


@pytest.mark.parametrize("gets", GETS)
def test_contenders_run_all_of_their_gets(application, clerk, gets: int):
    """No contender is quick because it asks less; the server counts."""
    clerk.config_resetstat()

    application.ask("run", path=f"/{gets}", number=7)

    assert clerk.info("commandstats")["cmdstat_get"]["calls"] == 7 * gets


@pytest.mark.parametrize("framework", ["django", "flask"])
def test_request_without_redis_opens_no_connection(framework: str, server, clerk):
    """What the middleware costs is not hidden in a dial."""
    before = clerk.info("stats")["total_connections_received"]
    with Child(WORKER, framework, OURS, server.url) as child:
        assert child.ask("page", path="/0") == ["200 OK", ""]

    assert clerk.info("stats")["total_connections_received"] == before


def test_visitors_notice_an_error_page(server):
    """An application that fails is not measured over HTTP either."""
    with Child(WORKER, "flask", BARE, server.url) as child:
        port = child.ask("serve", threads=2)
        with pytest.raises(RuntimeError, match="404"):
            visit(port, "/nothing/here", visitors=2, number=2)


def test_visitors_make_as_many_requests_as_they_say(server, clerk):
    """Each is answered by the application, which asks Redis."""
    with Child(WORKER, "flask", "redis-py", server.url) as child:
        port = child.ask("serve", threads=3)
        clerk.config_resetstat()
        load = visit(port, "/5", visitors=3, number=10)

    assert len(load.waits) == 10
    assert clerk.info("commandstats")["cmdstat_get"]["calls"] == 10 * 5


def test_requests_yield_a_row_for_each_contender_and_number_of_gets(monkeypatch):
    """Grouped by what they did, ours first, with the peers that the targets name."""
    monkeypatch.setattr(requests, "FRAMEWORKS", FEW)

    result = requests.measure(LEAST)

    names = {group: list(sites) for group, sites in _groups(result).items()}
    assert list(names) == [
        "Django, 1 GET", "Django, 5 GETs", "Django, 20 GETs",
        "Flask, 1 GET", "Flask, 5 GETs", "Flask, 20 GETs",
    ]  # fmt: skip
    assert names["Django, 5 GETs"] == [*FEW["Django"]]
    assert names["Flask, 20 GETs"] == [*FEW["Flask"]]
    for target, peer in zip(result.targets, requests.PEERS, strict=True):
        assert f"over {peer}:" in target.text
    assert all(row.values["request"] > 0 for row in result.rows)


def test_cached_pages_yield_a_row_for_each_cache_and_the_floor():
    """Ours first, and a target for each of the two views."""
    result = cached.measure(LEAST)

    names = {group: list(sites) for group, sites in _groups(result).items()}
    assert names == {
        "A cached page": [*cached.SITES, BARE],
        "5 values from the cache": [*cached.SITES],
    }
    assert [target.limit for target in result.targets] == [cached.LIMIT] * 2
    assert all(cached.PEER in target.text for target in result.targets)


@pytest.mark.parametrize("site", cached.SITES)
def test_cached_page_is_two_gets(site: str, server, clerk):
    """Made once, and then read from the server."""
    with Child(WORKER, "django", site, server.url) as child:
        assert child.ask("page", path="/page") == ["200 OK", PAGE]
        clerk.config_resetstat()
        child.ask("run", path="/page", number=7)
    calls = {name: stat["calls"] for name, stat in clerk.info("commandstats").items()}
    assert calls["cmdstat_get"] == 7 * 2
    assert "cmdstat_set" not in calls


def test_middleware_yields_its_cost_for_both_frameworks():
    """The difference to the framework alone, in the same rounds."""
    result = middleware.measure(LEAST)

    for rows in _groups(result).values():
        ours, bare = rows[OURS], rows[BARE]
        pairs = zip(ours.rounds["request"], bare.rounds["request"], strict=True)
        assert ours.rounds["cost"] == pytest.approx([one - other for one, other in pairs])
        assert set(bare.rounds["cost"]) == {0}
    assert [target.limit for target in result.targets] == [middleware.LIMIT] * 2


def test_serving_yields_times_and_connections():
    """At most as many connections as threads; at least the one that was needed."""
    result = serving.measure(LEAST)

    assert [(row.group.split(",")[0], row.name) for row in result.rows] == SITES
    for row in result.rows:
        assert 1 <= row.values["opened"] <= serving.VISITORS, row
        assert row.values["p99"] > 0
        a_pool_per_thread = row.name == "Django's RedisCache"
        assert row.values["anew"] == (serving.THREADS if a_pool_per_thread else 0), row


def _groups(result):
    groups = {}
    for row in result.rows:
        groups.setdefault(row.group, {})[row.name] = row
    return groups
