"""Django's cache, and the client that libraries keep, on a cluster: keys lie on several nodes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import redis

import redis_pool_ext
from redis_pool_ext import RedisPoolError, get_pool, lease_scope, shared_redis

from ..support.pages import ROOT

# In a process of its own: Django is set up once, and here with a cluster's settings.
PROGRAM = """
import sys
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["redis_pool_ext.django"],
    REDIS_POOLS={"default": {"URL": sys.argv[1], "MAX_CONNECTIONS": 1, "OPTIONS": OPTIONS}},
    CACHES={"default": {"BACKEND": "redis_pool_ext.django.cache.RedisPoolCache"}},
)
django.setup()
from contextlib import nullcontext
from django.core.cache import cache
from redis_pool_ext import get_pool, lease_scope

data = {str(number): [number] for number in range(300)}  # on each node
for scope in (nullcontext, lease_scope):
    with scope():
        cache.set_many(data, timeout=100)
        cache.set_many({"hits": 1, "other": 2}, timeout=100)
        assert cache.get_many([*data, "nothing"]) == data
        assert 90 < cache.ttl("7") <= 100
        assert cache.add("7", "other") is False
        assert cache.incr("hits") == 2
        assert cache.incr_version("hits") == 2
        assert (cache.get("hits"), cache.get("hits", version=2)) == (None, 2)
        assert 90 < cache.ttl("hits", version=2) <= 100
        try:
            cache.incr_version("nothing")
        except ValueError:
            pass
        assert sorted(cache.iter_keys("*", itersize=10)) == sorted([*data, "other"])
        cache.delete_many(["1", "2", "3", "nothing"])
        assert cache.delete_pattern("?*", itersize=10) == len(data) - 3 + 1
        cache.set_many(data)
        cache.clear()
        assert list(cache.iter_keys("*")) == cache.keys("*", version=2) == []
    assert get_pool().stats().in_use == 0
print("created", max(stats.created for stats in get_pool().node_stats().values()))
"""


@pytest.mark.parametrize("options", ["{}", "{'decode_responses': True}"])
def test_cache_does_on_a_cluster_what_it_does_on_one_server(cluster, options: str):
    """With one connection to each node, in a scope and outside; nothing is left behind."""
    pytest.importorskip("django")
    ended = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            PROGRAM.replace("OPTIONS}", options + "}"),
            cluster.url,
        ],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        cwd=ROOT,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "created 1\n"


def test_shared_client_is_on_the_lease_of_each_node(cluster):
    """A library that keeps a client has a cluster's commands; in a scope on its connections."""
    redis_pool_ext.configure({"default": {"URL": cluster.url, "MAX_CONNECTIONS": 1}})
    client = shared_redis()
    keys = [cluster.key_on(node) for node in cluster.masters()]
    for key in keys:
        client.set(key, key)
    with lease_scope():
        assert [client.get(key) for key in keys] == [key.encode() for key in keys]
        assert client.pipeline(transaction=False).get(keys[0]).get(keys[1]).execute() == [
            key.encode() for key in keys[:2]
        ]
        with client.lock(keys[2] + "lock", timeout=5):
            pass
        assert max(stats.in_use for stats in get_pool().node_stats().values()) == 1
    assert get_pool().stats().in_use == 0


def test_library_that_takes_a_pool_is_told_that_a_cluster_has_none(cluster):
    """There is no one connection that it could have."""
    redis_pool_ext.configure({"default": cluster.url})
    client = redis.Redis(connection_pool=shared_redis().connection_pool)
    with pytest.raises(RedisPoolError, match=r'"default" is a cluster.* can have shared_redis\(\)'):
        client.ping()
