"""django-redis on our pool: its caches keep their settings, and share the connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django_redis import get_redis_connection
from redis import Redis

from redis_pool_ext import RedisPool, lease_scope
from redis_pool_ext.django.factory import ConnectionFactory
from redis_pool_ext.shared import SharedRedis

from .conftest import Full

FACTORY = "redis_pool_ext.django.factory.ConnectionFactory"
OPTIONS = {"CONNECTION_FACTORY": FACTORY}
THEIRS = {"BACKEND": "django_redis.cache.RedisCache", "OPTIONS": OPTIONS}


@pytest.fixture(params=["alias", "url"])
def _with_django_redis(request: pytest.FixtureRequest, settings: Any, url: str) -> None:
    """The project with django-redis as its cache, as the migration page has it."""
    location = "default" if request.param == "alias" else url
    settings.CACHES = {"default": {**THEIRS, "LOCATION": location}}
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.ROOT_URLCONF = "tests.django_wing.project.cached"


@pytest.mark.usefixtures("_with_django_redis")
class TestInTheProject:
    """With the factory as an option of the cache."""

    def test_request_holds_one_connection(
        self, client: Client, pool: RedisPool, connected: Callable[[], int]
    ) -> None:
        """Cache, session and `request.redis` together."""
        client.get("/stack/")
        before = pool.stats().acquired
        found = client.get("/stack/").json()
        assert (found["seen"][0], found["visits"]) == ("value", 2)
        assert (found["in_use"], pool.stats().acquired - before) == (1, 1)
        assert connected() == 1

    def test_exhausted_pool_is_answered_with_503(self, visitor: Client, full: Full) -> None:
        """django-redis wraps the error, and unwraps it again."""
        with full():
            assert visitor.get("/reads/").status_code == 503
            assert visitor.get("/stack/").status_code == 503
        assert visitor.get("/reads/").status_code == 200

    def test_outside_of_a_request_each_call_borrows(self, pool: RedisPool) -> None:
        """Its methods that send several commands included."""
        cache.set_many({"a": 1, "b": 2}, timeout=30)
        assert cache.get_many(["a", "b"]) == {"a": 1, "b": 2}
        assert cache.delete_pattern("*") == 2
        with cache.lock("lock", timeout=5):
            assert cache.incr("hits", ignore_key_check=True) == 1
        assert pool.stats().in_use == 0

    def test_raw_client_is_on_the_lease(self, pool: RedisPool) -> None:
        """`get_redis_connection` is what most projects use beside the cache."""
        raw = get_redis_connection("default")
        assert isinstance(raw, SharedRedis)
        with lease_scope():
            cache.set("key", "value")
            assert raw.pipeline().exists(":1:key").execute() == [1]
            assert pool.stats().in_use == 1

    def test_closing_closes_nothing(self, settings: Any, pool: RedisPool) -> None:
        """DJANGO_REDIS_CLOSE_CONNECTION would disconnect everybody at each request's end."""
        settings.DJANGO_REDIS_CLOSE_CONNECTION = True
        cache.set("key", "value")
        cache.close()
        assert pool.stats().idle == 1


def test_factory_may_be_set_for_all_caches(settings: Any, url: str, pool: RedisPool) -> None:
    """By django-redis' own global setting."""
    settings.DJANGO_REDIS_CONNECTION_FACTORY = FACTORY
    settings.CACHES = {"default": {**THEIRS, "LOCATION": url, "OPTIONS": {}}}
    caches["default"].set("key", "value")
    assert pool.stats().created == 1


def test_location_finds_the_pool_of_its_database(settings: Any, admin: Redis, url: str) -> None:
    """Two databases of one server are two pools."""
    address = url.rpartition("/")[0]
    settings.REDIS_POOLS = {"default": f"{address}/0", "other": f"{address}/3?client_name=other"}
    client = ConnectionFactory({}).connect(f"{address}/3")
    assert client.client_getname() == "other"


def test_location_without_a_pool_says_which_there_are(url: str) -> None:
    """And shows no password."""
    with pytest.raises(ImproperlyConfigured) as caught:
        ConnectionFactory({}).connect("redis://user:s3cret@nowhere/0")
    known = "'redis://***@nowhere/0' is no alias or URL of REDIS_POOLS, which has default"
    assert known in str(caught.value)


def test_location_of_another_user_is_another_pool(settings: Any) -> None:
    """Or whoever is let in with one password would be taken for somebody else."""
    settings.REDIS_POOLS = {"default": "redis://alice:one@server/0"}
    with pytest.raises(ImproperlyConfigured, match="is no alias or URL"):
        ConnectionFactory({}).connect("redis://bob:two@server/0")
    ConnectionFactory({}).connect("redis://server:6379")  # the pool knows who


def test_location_of_two_pools_is_not_guessed(settings: Any) -> None:
    """The alias tells them apart."""
    settings.REDIS_POOLS = {"default": "redis://server/0", "reports": "redis://server:6379"}
    with pytest.raises(ImproperlyConfigured, match="default, reports in REDIS_POOLS"):
        ConnectionFactory({}).connect("redis://server")
    assert ConnectionFactory({}).connect("reports")


def test_option_that_would_have_no_effect_is_refused() -> None:
    """Instead of a limit that is none."""
    with pytest.raises(ImproperlyConfigured, match="CONNECTION_POOL_KWARGS, PASSWORD would have"):
        ConnectionFactory({"PASSWORD": "s3cret", "CONNECTION_POOL_KWARGS": {"max_connections": 5}})
    ConnectionFactory({"SERIALIZER": "x", "SOCKET_TIMEOUT": None})
