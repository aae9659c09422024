"""`doctor` where the server is: away, slow, behind something, or more than one."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest

from redis_pool_ext import configure, get_pool

from ...support.certificates import authority_file
from ...support.cluster import Cluster, has_replicas_in_its_map
from ...support.program import Program
from ...support.proxy import FaultyProxy
from ...support.threads import wait_until
from ...support.tls import TLSFront
from ..command import IS_FULL, PATIENCE, call
from .looks import finding, findings


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
    from ...sentinel.constellation import SERVICE, Constellation

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
