"""`ping`: each server dialled, and what to do about those that do not answer."""

from __future__ import annotations

import socket
from time import monotonic

import pytest

from redis_pool_ext.status import desk

from ..support.cluster import Cluster, has_replicas_in_its_map
from ..support.server import Server
from ..support.threads import wait_until
from .command import PATIENCE, call


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


def entry(pools, **options):
    (told,) = call("ping", pools, json=True, **options).data["pools"]
    return told


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_server_that_answers_is_told_with_its_times(url):
    """For the dial, and for the PING."""
    said = call("ping", {"default": url}, json=True)
    (told,) = said.data["pools"]

    assert said.status == 0
    assert told["ok"]
    assert told["dial_seconds"] > 0
    assert told["ping_seconds"] > 0
    assert (told["error"], told["way_out"]) == (None, None)


def test_all_pools_are_dialled_and_one_that_is_down_is_status_1(url):
    """The others are told nevertheless."""
    down = f"redis://127.0.0.1:{free_port()}"
    said = call("ping", {"default": url, "down": down}, json=True)

    assert said.status == 1
    assert {each["alias"]: each["ok"] for each in said.data["pools"]} == {
        "default": True, "down": False
    }  # fmt: skip


def test_nothing_listens_is_told_with_the_way_out(caplog):
    """Also in the table; and not once more in the log."""
    pools = {"default": f"redis://127.0.0.1:{free_port()}"}

    assert "nothing listens there" in entry(pools)["way_out"]
    said = call("ping", pools)
    assert said.status == 1
    assert "down" in said.out
    assert "nothing listens there" in said.out
    assert caplog.records == []


def test_unknown_name_is_told_with_the_way_out():
    """`.invalid` is no name, anywhere."""
    assert "the name is not known" in entry({"default": "redis://nowhere.invalid"})["way_out"]


def test_missing_unix_socket_is_told_with_the_way_out(tmp_path):
    """By its path."""
    told = entry({"default": f"unix://{tmp_path}/none.sock"})

    assert "no such socket" in told["way_out"]
    assert told["server"] == f"unix://{tmp_path}/none.sock?db=0"


def test_wrong_password_is_told_without_it(server):
    """And where to look."""
    with server.admin() as admin:
        admin.config_set("requirepass", "right")
        try:
            told = entry({"default": f"redis://:geheim@{server.host}:{server.port}"})
        finally:
            admin.config_set("requirepass", "")

    assert not told["ok"]
    assert "user name and password" in told["way_out"]
    assert "geheim" not in str(told)


def test_unknown_database_is_told(server):
    """The server's own words."""
    told = entry({"default": f"redis://{server.host}:{server.port}/99"})

    assert "out of range" in told["error"]


def test_server_that_hangs_is_told_within_the_time():
    """It accepts, and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        began = monotonic()
        told = entry({"default": f"redis://127.0.0.1:{listener.getsockname()[1]}"}, timeout=0.4)
        took = monotonic() - began

    assert "nothing comes back" in told["way_out"]
    assert took < PATIENCE / 2


def test_exhausted_pools_are_not_asked(url):
    """The command dials by itself: this process's own pool is not touched."""
    from redis_pool_ext import configure, get_pool

    configure({"default": {"URL": url, "MAX_CONNECTIONS": 1}})
    with get_pool().lease() as client:
        client.ping()
        assert entry({"default": {"URL": url, "MAX_CONNECTIONS": 1}})["ok"]
        assert get_pool().stats().acquired == 1


def test_command_opens_no_desk(place, url):
    """It serves nobody."""
    desk.open_desk_when_serving()
    assert entry({"default": url})["ok"]

    assert not place.exists()


def test_plain_program_is_told_to_give_a_url():
    """There is nothing else to dial."""
    said = call("ping")

    assert said.status == 2
    assert "--url redis://localhost:6379/0" in said.err


def test_plain_program_dials_the_url(url):
    """Under the alias that is given."""
    assert entry(None, url=url, alias=("jobs",))["alias"] == "jobs"


def test_each_node_of_a_cluster_is_dialled():
    """Masters and replicas, by their addresses."""
    with Cluster() as cluster:
        wait_until(lambda: all(map(has_replicas_in_its_map, cluster.nodes)))
        said = call("ping", {"default": cluster.url}, json=True)

        assert said.status == 0
        assert {each["server"] for each in said.data["pools"]} == {n.name for n in cluster.nodes}
        for node in cluster.nodes:
            node.stop()
        said = call("ping", {"default": cluster.url}, json=True, timeout=2.0)
    assert said.status == 1
    assert [each["ok"] for each in said.data["pools"]] == [False]
