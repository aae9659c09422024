"""`doctor` on a server that is set up to give cause for each finding."""

from __future__ import annotations

import pytest

from redis_pool_ext.cli.doctor.facts import Facts
from redis_pool_ext.cli.doctor.need import needs_of
from redis_pool_ext.cli.doctor.of_servers import findings_about
from redis_pool_ext.config import read_settings

from ...support.proxy import FaultyProxy
from ..command import call
from .looks import finding, having


def test_server_in_order_has_no_warning(server, admin):
    """Status 0; a note at most."""
    with having(admin, maxmemory="100mb", maxmemory_policy="allkeys-lru"):
        pools = {"default": {"URL": server.url, "OPTIONS": {"client_name": "shop"}}}
        said = call("doctor", pools, json=True)

    assert said.status == 0
    assert [each for each in said.data["findings"] if each["level"] in {"warning", "error"}] == []
    assert {each["check"] for each in said.data["findings"]} == {
        *("version", "maxclients", "timeout", "keepalive", "latency", "memory", "clients"),
        *("slowlog", "processes"),
    }


def test_counts_are_of_the_findings_by_level(server):
    """All levels, those without any as well."""
    data = call("doctor", {"default": server.url}, json=True).data

    assert sum(data["counts"].values()) == len(data["findings"])
    assert set(data["counts"]) == {"ok", "note", "warning", "error"}


def test_version_is_told(server, admin):
    """With the name of the program."""
    version = admin.info()["redis_version"]

    assert finding({"default": server.url}, "version")["text"].endswith(f" {version}")


def test_server_that_is_too_old_is_a_warning():
    """None so old runs here: by what it would say."""
    (need,) = needs_of(read_settings({"default": "redis://h"}), [], None, {})
    facts = Facts("h", need, info={"redis_version": "6.0.16"})
    (found,) = [each for each in findings_about(facts) if each.check == "version"]

    assert (found.level, found.way_out) == ("warning", "upgrade the server")


@pytest.mark.parametrize(
    ("maxclients", "level"), [("100", "ok"), ("70", "warning"), ("63", "error")]
)
def test_maxclients_is_compared_with_what_the_processes_may_open(
    server, admin, maxclients: str, level: str
):
    """Four workers, two pools on this server; one on another server does not count."""
    pools = {
        "default": {"URL": server.url, "MAX_CONNECTIONS": 10},
        "reports": {"URL": f"{server.url[:-1]}1", "MAX_CONNECTIONS": 6},
    }
    with having(admin, maxclients=maxclients):
        found = finding(pools, "maxclients", workers=4)
        status = call("doctor", pools, workers=4, json=True).status

    assert found["level"] == level
    assert found["numbers"] | {"connected": 0} == {
        "maxclients": int(maxclients), "connected": 0, "workers": 4, "needed": 64,
        "per_process": {"default": 10, "reports": 6},
    }  # fmt: skip
    assert (found["way_out"] is None) is (level == "ok")
    assert status == (1 if level == "error" else 0)


def test_connected_clients_near_maxclients_are_a_warning(server, admin):
    """Whoever they are of."""
    with having(admin, maxclients="20"):
        others = [server.admin() for _ in range(16)]
        for other in others:
            other.ping()
        pools = {"default": {"URL": server.url, "MAX_CONNECTIONS": 1}}
        found = finding(pools, "maxclients")
        for other in others:
            other.close()

    assert found["level"] == "warning"
    assert found["numbers"]["connected"] > 16


@pytest.mark.parametrize(
    ("timeout", "idle_timeout", "level"),
    [(0, None, "ok"), (400, 300.0, "ok"), (60, 300.0, "warning"), (60, None, "warning")],
)
def test_timeout_of_the_server_is_compared_with_idle_timeout(
    server, admin, timeout: int, idle_timeout: float | None, level: str
):
    """Who closes first."""
    with having(admin, timeout=timeout):
        found = finding({"default": {"URL": server.url, "IDLE_TIMEOUT": idle_timeout}}, "timeout")

    assert found["level"] == level
    assert found["numbers"] == {"timeout": timeout, "idle_timeout": {"default": idle_timeout}}
    assert ("IDLE_TIMEOUT below 60" in (found["way_out"] or "")) is (level == "warning")


def test_server_without_keepalive_is_a_warning(server, admin):
    """It keeps the connections of machines that are gone."""
    with having(admin, tcp_keepalive=0):
        found = finding({"default": server.url}, "keepalive")

    assert (found["level"], found["way_out"]) == ("warning", "set tcp-keepalive 300 on the server")


def test_pool_without_keepalive_is_a_warning(server):
    """Somebody has turned it off."""
    pools = {"default": {"URL": server.url, "OPTIONS": {"socket_keepalive": False}}}

    assert finding(pools, "keepalive")["level"] == "warning"


def test_latency_is_measured_over_some_tens_of_calls(server):
    """In a bounded time."""
    numbers = finding({"default": server.url}, "latency")["numbers"]

    assert 10 < numbers["pings"] <= 40
    assert 0 < numbers["p50"] <= numbers["p99"]


def test_slow_answers_are_a_warning(server):
    """A server that is far away, or busy."""
    with FaultyProxy(server.port) as proxy:
        proxy.delay = 0.03
        found = finding({"default": proxy.url}, "latency")

    assert found["level"] == "warning"
    assert found["numbers"]["p50"] >= 0.03


@pytest.mark.parametrize(
    ("settings", "uses", "level", "words"),
    [
        ({"maxmemory": "0"}, (), "note", "no maxmemory"),
        ({"maxmemory": "100mb"}, (), "ok", "policy noeviction"),
        ({"maxmemory": "100mb"}, ("cache",), "warning", "the cache's writes fail"),
        ({"maxmemory": "100mb"}, ("sessions",), "ok", "policy noeviction"),
        (
            {"maxmemory": "100mb", "maxmemory_policy": "allkeys-lru"},
            ("cache", "sessions"), "warning", "sessions may be evicted",
        ),
        ({"maxmemory": "100mb", "maxmemory_policy": "allkeys-lru"}, ("cache",), "ok", "lru"),
        (
            {"maxmemory": "100mb", "maxmemory_policy": "volatile-lru"},
            ("cache", "sessions"), "ok", "volatile",
        ),
        ({"maxmemory": "100kb"}, (), "error", "nearly full"),
    ],
)  # fmt: skip
def test_memory_policy_is_judged_by_what_is_kept(
    server, admin, settings, uses: tuple[str, ...], level: str, words: str
):
    """A cache, sessions, or it is not known what."""
    with having(admin, **settings):
        used_for = {"default": frozenset(uses)}
        found = finding({"default": server.url}, "memory", uses=used_for)

    assert found["level"] == level
    assert words in found["text"]
