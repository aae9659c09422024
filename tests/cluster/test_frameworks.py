"""A cluster behind an alias: requests, scopes and the 503, as with one server."""

from __future__ import annotations

import asyncio
import os

import pytest
import redis

import redis_pool_ext
from redis_pool_ext import ClusterPool, ConfigError, get_async_pool, get_pool
from redis_pool_ext.scope import Scope
from redis_pool_ext.web.lazy import LazyRedis


def test_lazy_client_becomes_that_of_a_cluster_before_its_first_command(cluster, pool):
    """Also where a command is spelled as one server's is, and split over several nodes."""
    keys = [cluster.key_on(node) for node in cluster.masters()]
    scope = Scope("a request")
    try:
        lazy = LazyRedis(scope, lambda: pool)
        assert lazy.exists(*keys) == 0
        assert isinstance(lazy, redis.RedisCluster)
        assert LazyRedis(scope, lambda: pool).mset_nonatomic(dict.fromkeys(keys, 1))
        assert LazyRedis(scope, lambda: pool).delete(*keys) == 3
        assert max(stats.in_use for stats in pool.node_stats().values()) == 1
    finally:
        scope.end()


def test_event_loop_has_no_cluster_and_says_so(cluster):
    """It is told where it is asked for, and not by half of a cluster."""
    redis_pool_ext.configure({"default": cluster.url})

    async def ask() -> None:
        get_async_pool()

    with pytest.raises(ConfigError, match=r"no pool for asyncio; use .* get_redis\(\)"):
        asyncio.run(ask())


class TestFlask:
    """`current_redis` and the 503."""

    @pytest.fixture
    def app(self, cluster):
        flask = pytest.importorskip("flask")
        from redis_pool_ext.flask import FlaskRedisPool, current_redis

        app = flask.Flask("a_cluster")
        app.config["REDIS_POOLS"] = {
            "default": {"URL": cluster.url, "MAX_CONNECTIONS": 1, "TIMEOUT": 0.1}
        }
        FlaskRedisPool(app)

        @app.get("/<key>")
        def count(key: str) -> str:
            return f"{current_redis.incr(key)} {flask.g.redis.incr(key)}"

        return app

    def test_request_counts_on_its_lease(self, app, cluster):
        """`g.redis` and `current_redis` are one client, and give back at the end."""
        assert app.test_client().get("/hits").text == "1 2"
        with app.app_context():
            stats = get_pool().stats()
        assert (stats.in_use, stats.acquired) == (0, stats.released)

    def test_full_node_answers_503(self, app, cluster):
        """With Retry-After; requests to other nodes are served."""
        first, second, _ = cluster.masters()
        key, elsewhere = cluster.key_on(first), cluster.key_on(second)
        with app.app_context():
            pool = get_pool()
        with pool.lease() as holder:
            holder.get(key)
            response = app.test_client().get(f"/{key}")
            assert response.status_code == 503
            assert int(response.headers["Retry-After"]) >= 1
            assert app.test_client().get(f"/{elsewhere}").status_code == 200
        assert app.test_client().get(f"/{key}").status_code == 200


class TestDjango:
    """`request.redis` and the 503."""

    @pytest.fixture
    def client(self, cluster, request):
        django = pytest.importorskip("django")
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_wing.project.settings"
        django.setup()
        from django.test import Client

        settings = request.getfixturevalue("settings")
        settings.ROOT_URLCONF = "tests.cluster.urls"
        settings.REDIS_POOLS = {
            "default": {"URL": cluster.url, "MAX_CONNECTIONS": 1, "TIMEOUT": 0.1}
        }
        return Client()

    def test_request_counts_on_its_lease(self, client):
        """request.redis is the cluster's client."""
        assert client.get("/hits").content == b"1"
        assert isinstance(get_pool(), ClusterPool)
        assert get_pool().stats().in_use == 0

    def test_full_node_answers_503(self, client, cluster):
        """As with one server's pool."""
        key = cluster.key_on(cluster.masters()[0])
        with get_pool().lease() as holder:
            holder.get(key)
            response = client.get(f"/{key}")
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) >= 1
        assert client.get(f"/{key}").status_code == 200
