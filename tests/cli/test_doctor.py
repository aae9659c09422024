"""`doctor`: each finding, with a real server that is set up to give cause for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest
import redis

from redis_pool_ext import configure, get_pool
from redis_pool_ext.cli.doctor.facts import Facts
from redis_pool_ext.cli.doctor.need import needs_of
from redis_pool_ext.cli.doctor.of_pools import findings_in
from redis_pool_ext.cli.doctor.of_servers import findings_about
from redis_pool_ext.config import read_settings
from redis_pool_ext.status import process_report

from ..support.certificates import authority_file
from ..support.cluster import Cluster, has_replicas_in_its_map
from ..support.program import Program
from ..support.proxy import FaultyProxy
from ..support.server import Server
from ..support.threads import wait_until
from ..support.tls import TLSFront
from .command import IS_FULL, PATIENCE, SERVES, call


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("s") / "redis.sock"
    with Server("--unixsocket", str(path)) as server:
        server.socket = path
        yield server


@pytest.fixture
def admin(server: Server) -> Iterator[redis.Redis]:
    with server.admin(decode_responses=True) as admin:
        admin.slowlog_reset()
        yield admin


@contextmanager
def having(admin: redis.Redis, **settings: Any) -> Iterator[None]:
    """Have the server's settings so for a while."""
    names = {name: name.replace("_", "-") for name in settings}
    before = {each: admin.config_get(each)[each] for each in names.values()}
    for name, value in settings.items():
        admin.config_set(names[name], value)
    try:
        yield
    finally:
        for name, value in before.items():
            admin.config_set(name, value)


def findings(pools: Any, check: str, **options: Any) -> list[dict[str, Any]]:
    told = call("doctor", pools, json=True, **options).data["findings"]
    return [each for each in told if each["check"] == check]


def finding(pools: Any, check: str, **options: Any) -> dict[str, Any]:
    (one,) = findings(pools, check, **options)
    return one


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


def test_clients_are_counted_by_name_and_address(server):
    """Without the one who looks."""
    others = [server.admin(client_name=name) for name in ("shop", "shop", "jobs", None)]
    for other in others:
        other.ping()
    pools = {"default": {"URL": server.url, "OPTIONS": {"client_name": "shop"}}}
    found = finding(pools, "clients")
    for other in others:
        other.close()

    by_name = found["numbers"]["by_name"]
    assert by_name["shop"] == {"127.0.0.1": 2}
    assert by_name["jobs"] == {"127.0.0.1": 1}
    assert found["numbers"]["connections"] == sum(sum(each.values()) for each in by_name.values())


def test_clients_without_a_name_are_a_note(server):
    """Nobody can tell whose they are."""
    with server.admin() as other:
        other.ping()
        found = finding({"default": server.url}, "clients")

    assert found["level"] == "note"
    assert "client_name" in found["way_out"]


def test_slow_command_is_told_by_its_name_alone(server, admin):
    """Its arguments are users' data."""
    with having(admin, slowlog_log_slower_than=0):
        admin.set("geheim", "geheim")
    found = finding({"default": server.url}, "slowlog")

    assert found["level"] == "note"
    assert found["numbers"]["entries"] >= 1
    assert "geheim" not in str(found)


def test_very_slow_command_is_a_warning(server, admin):
    """All others wait meanwhile."""
    admin.execute_command("DEBUG", "SLEEP", "0.15")
    found = finding({"default": server.url}, "slowlog")

    assert found["level"] == "warning"
    assert (found["numbers"]["command"], found["numbers"]["slowest"] >= 0.1) == ("DEBUG", True)


@pytest.mark.parametrize("protocol", [2, 3])
def test_server_that_lets_nobody_look_is_no_fault(server, admin, protocol: int):
    """As managed ones do, by ACL."""
    admin.acl_setuser(
        "app", enabled=True, passwords=["+secret"], keys="*",
        commands=["-@all", "+ping", "+hello", "+auth", "+select"],
    )  # fmt: skip
    url = f"redis://app:secret@{server.host}:{server.port}/0?protocol={protocol}"
    said = call("doctor", {"default": url}, json=True)

    assert said.status == 0
    found = {each["check"]: each for each in said.data["findings"]}
    for check in ("version", "maxclients", "timeout", "keepalive", "memory", "clients", "slowlog"):
        assert found[check]["level"] == "note"
        assert "not allowed to look" in found[check]["text"]
    assert found["latency"]["level"] == "ok"
    assert "secret" not in said.out


def test_fake_server_is_no_fault():
    """It knows few commands."""
    pytest.importorskip("fakeredis")

    assert call("doctor", {"default": "fakeredis://"}).status == 0


def test_server_that_is_down_is_an_error_with_the_way_out():
    """And status 1."""
    said = call("doctor", {"default": "redis://127.0.0.1:1/0"}, json=True)
    (found,) = [each for each in said.data["findings"] if each["check"] == "reachable"]

    assert said.status == 1
    assert (found["level"], found["about"]) == ("error", "redis://127.0.0.1:1")
    assert "nothing listens there" in found["way_out"]


@pytest.mark.parametrize("moment", ["before", "after the dial"])
def test_server_that_hangs_is_told_within_the_time(server, moment: str, monkeypatch):
    """Whenever that begins."""
    from redis_pool_ext.cli.doctor import facts

    pings = facts._pings

    def hang_then(*args: Any) -> Any:
        server.freeze()
        return pings(*args)

    if moment == "before":
        server.freeze()
    else:
        monkeypatch.setattr(facts, "_pings", hang_then)
    try:
        began = monotonic()
        found = finding({"default": server.url}, "reachable", timeout=1.0)
        took = monotonic() - began
    finally:
        server.thaw()

    assert found["level"] == "error"
    assert took < PATIENCE / 2


def test_what_there_is_no_time_for_is_not_asked(server):
    """A server far away answers each question in time, and all of them in too long a one."""
    with FaultyProxy(server.port) as proxy:
        proxy.delay = 0.05
        said = call("doctor", {"default": proxy.url}, json=True, timeout=1.0)
    (slow,) = [each for each in said.data["findings"] if each["check"] == "slowlog"]

    assert slow["level"] == "note"
    assert (slow["text"], slow["way_out"]) == ("there was no time left to look", "raise --timeout")


def test_server_is_asked_by_a_connection_of_its_own(server):
    """A pool that is exhausted is no obstacle, and has one request less to count."""
    pools = {"default": {"URL": server.url, "MAX_CONNECTIONS": 1}}
    configure(pools)
    with get_pool().lease() as client:
        client.ping()
        assert finding(pools, "version")["level"] == "ok"
        assert get_pool().stats().acquired == 1


def test_databases_of_one_server_are_looked_at_once(server):
    """It is one server."""
    pools = {"a": server.url, "b": f"{server.url[:-1]}1"}

    assert len(findings(pools, "version")) == 1


def test_unix_socket_is_looked_at(server):
    """Keepalive is of no concern there."""
    pools = {"default": f"unix://{server.socket}"}

    assert finding(pools, "maxclients")["about"] == f"unix://{server.socket}"
    assert findings(pools, "keepalive") == []


def test_server_behind_tls_is_looked_at(server):
    """With the settings of the pool."""
    with TLSFront(server.port) as port:
        options = {"ssl_ca_certs": str(authority_file())}
        pools = {"default": {"URL": f"rediss://127.0.0.1:{port}/0", "OPTIONS": options}}

        assert finding(pools, "version")["about"] == f"rediss://127.0.0.1:{port}"


def test_each_node_of_a_cluster_is_looked_at():
    """The bound is for each of them; one that is down is told, and the others are, too."""
    with Cluster() as cluster:
        pools = {"default": {"URL": cluster.url, "MAX_CONNECTIONS": 5}}
        wait_until(lambda: all(map(has_replicas_in_its_map, cluster.nodes)))
        found = findings(pools, "maxclients", workers=2)
        cluster.nodes[5].stop()
        said = call("doctor", pools, json=True)

    assert {each["about"] for each in found} == {node.name for node in cluster.nodes}
    assert {each["numbers"]["needed"] for each in found} == {10}
    down = [each["about"] for each in said.data["findings"] if each["check"] == "reachable"]
    assert (said.status, down) == (1, [cluster.nodes[5].name])


def test_master_behind_sentinels_is_looked_at():
    """Wherever it is."""
    from ..sentinel.constellation import SERVICE, Constellation

    with Constellation() as constellation:
        addresses = ",".join(each.address for each in constellation.sentinels)
        pools = {"default": f"redis+sentinel://{addresses}/{SERVICE}/0"}
        found = finding(pools, "version")

    assert (found["level"], found["about"]) == (
        "ok", f"redis+sentinel://{addresses}/{SERVICE}"
    )  # fmt: skip


def test_plain_program_without_a_url_is_told_of_the_processes_alone(place, url):
    """And that there is more to be seen."""
    with Program(IS_FULL, url):
        said = call("doctor", json=True)
    found = {each["check"]: each for each in said.data["findings"]}

    assert "--url" in found["reachable"]["text"]
    assert found["reachable"]["level"] == "note"
    assert found["exhausted"]["level"] == "error"


class TestOfPools:
    """What the processes tell."""

    def test_exhausted_pool_is_an_error_that_names_the_view(self, place, url):
        """Somebody was refused in the last minute."""
        with Program(IS_FULL, url):
            said = call("doctor", {"default": url}, json=True)
        found = {each["check"]: each for each in said.data["findings"]}

        assert said.status == 1
        assert found["exhausted"]["level"] == "error"
        assert "shop.views.report holds 100% of the time" in found["exhausted"]["text"]
        assert found["exhausted"]["numbers"]["refused"] == 1

    def test_process_that_hangs_is_an_error(self, place, url):
        """Its pools are not known."""
        code = SERVES
        with Program(code, f'{{"default": "{url}"}}', "1", "default") as program:
            os.kill(program.pid, signal.SIGSTOP)
            try:
                found = finding({"default": url}, "processes", timeout=2.0)
            finally:
                os.kill(program.pid, signal.SIGCONT)

        assert (found["level"], found["about"]) == ("error", f"process {program.pid}")

    def test_nobody_there_is_a_note(self, place, url):
        """And the workers are guessed."""
        pools = {"default": url}

        assert finding(pools, "processes")["level"] == "note"
        assert "none answers; see --workers" in finding(pools, "maxclients")["text"]

    def test_open_circuit_is_an_error(self, place):
        """No process reaches the server."""
        code = """
from contextlib import suppress
from redis_pool_ext import configure, get_pool
from redis_pool_ext.status import open_desk
configure({"default": "redis://127.0.0.1:1/0"})
while get_pool().stats().circuit == "closed":
    with suppress(Exception):
        get_pool().client.ping()
open_desk()
"""
        with Program(code):
            found = finding({"default": "redis://127.0.0.1:1/0"}, "circuit")

        assert found["level"] == "error"
        assert sum(found["numbers"]["states"].values()) == 1

    def test_mistakes_with_leases_are_warnings(self, place, url):
        """A leak, a double release, a connection that came back with a WATCH on it."""
        code = """
import sys, logging
from redis_pool_ext import LeaseError, configure, get_pool
from redis_pool_ext.status import open_desk
logging.disable()
configure({"default": {"URL": sys.argv[1], "LEAK_DETECTION_THRESHOLD": 0.001,
                       "HOUSEKEEPING_INTERVAL": 0.01}})
pool = get_pool()
connection = pool.get_connection()
connection.send_command("SUBSCRIBE", "news")
pool.release(connection)
kept = pool.get_connection()
while not pool.stats().leaked:
    pass
pool.release(kept)
try:
    pool.release(kept)
except LeaseError:
    open_desk()
"""
        with Program(code, url):
            told = call("doctor", {"default": url}, json=True).data["findings"]
        found = {each["check"]: each for each in told}

        assert [found[check]["level"] for check in ("leaks", "releases", "discards")] == [
            "warning"
        ] * 3
        assert found["releases"]["numbers"] == {"double_releases": 1}
        assert found["discards"]["numbers"]["discarded"]["dirty"] == 1

    @pytest.mark.parametrize(
        ("sizes", "level", "words"),
        [
            ((None, None), "ok", "too little to tell"),
            ((4, 4), "ok", "per process: told; in all 8, now 8"),
            ((6, 5), "warning", "per process: told; in all 11, now 8"),
            ((3, 2), "note", "per process: told; in all 5, now 8"),
            ((3,), "note", "told"),
        ],
    )
    def test_size_is_said_per_process_and_in_all(self, url, sizes, level: str, words: str):
        """By what each process has measured."""
        configure({"default": {"URL": url, "MAX_CONNECTIONS": 4}})
        get_pool().client.ping()
        report = process_report()
        report["pools"] = [each for each in report["pools"] if each["alias"] == "default"][:1]
        reports = [_advised(report, pid, size) for pid, size in enumerate(sizes, 1)]
        (found,) = [each for each in findings_in(reports, [], "") if each.check == "size"]

        assert found.level == level
        assert words in found.text
        assert found.numbers["in_all"] == (None if sizes[0] is None else sum(sizes))
        if level == "warning":
            assert "set MAX_CONNECTIONS to 6" in str(found.way_out)


def _advised(report: dict[str, Any], pid: int, size: int | None) -> dict[str, Any]:
    (pool,) = report["pools"]
    advice = pool["advice"] | ({} if size is None else {"size": size, "text": "told"})
    stats = pool["stats"] | {"max_connections": 4}
    told = pool | {"advice": advice | {"max_connections": 4}, "stats": stats}
    return report | {"process": report["process"] | {"pid": pid}, "pools": [told]}


def test_findings_read_well_in_a_narrow_terminal(place, server, monkeypatch):
    """A line goes on under its words."""
    monkeypatch.setenv("COLUMNS", "50")
    out = call("doctor", {"default": server.url}).out

    assert max(map(len, out.splitlines())) <= 50
    assert "\nok       version: " in out
    assert " 1 process (none answers" in " ".join(out.split())
