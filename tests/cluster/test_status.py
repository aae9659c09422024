"""The status page of a cluster: each node is a pool of its own there."""

from __future__ import annotations

import json

from redis_pool_ext.status.page import respond
from redis_pool_ext.status.servers import ask_servers


def test_nodes_are_shown_one_by_one(cluster, pool):
    """With the numbers of each, and each asked for its clients."""
    for number in range(30):
        pool.client.set(f"key {number}", number)

    shown = json.loads(respond("status.json", {}).body)["pools"]
    assert {each["alias"].partition("@")[0] for each in shown} == {pool.alias}
    assert len({each["server"] for each in shown}) == len(shown) >= 3
    assert sum(each["stats"]["acquired"] for each in shown) == pool.stats().acquired
    servers = ask_servers(kept=0.0)
    assert {each["server"] for each in servers} == {each["server"] for each in shown}
    assert [each["error"] for each in servers] == [None] * len(servers)
