"""`fake_pools`: on servers in the memory of the process."""

from __future__ import annotations

import asyncio

import pytest

from redis_pool_ext import ConfigError, RedisPool, configure, get_async_redis, get_pool, get_redis
from redis_pool_ext.process import configs
from redis_pool_ext.testing import fake_pools, fakes

pytest.importorskip("fakeredis")


@pytest.fixture
def configured(nowhere: str) -> str:
    """A process with two databases of a server that is not there."""
    options = {"password": "s3cret", "socket_timeout": 3.0}
    configure({
        "default": {"URL": f"{nowhere}/0", "MAX_CONNECTIONS": 3, "OPTIONS": options},
        "reports": f"{nowhere}/1",
        "same": f"{nowhere}/1?timeout=1",
    })  # fmt: skip
    return nowhere


def test_configured_pools_are_on_fakes(configured):
    """The server that the settings name is not asked: there is none."""
    with fake_pools():
        assert get_redis().incr("n") == 1
        assert get_redis("reports").incr("n") == 1


def test_settings_are_the_real_ones(configured):
    """Only the server is another one, which asks for no password."""
    with fake_pools():
        pool = get_pool()

        assert pool.max_connections == 3
        assert pool.connection_kwargs["socket_timeout"] == 3.0
        assert "password" not in pool.connection_kwargs


def test_each_block_begins_with_nothing(configured):
    """In pools of its own."""
    for _ in range(2):
        with fake_pools():
            assert get_redis().incr("n") == 1
            assert get_pool().stats().created == 1


def test_pools_of_one_server_share_it(configured):
    """As the real ones do: two aliases of one database, and another database."""
    with fake_pools():
        get_redis("reports").set("k", "v")

        assert get_redis("same").get("k") == b"v"
        assert get_redis().get("k") is None


def test_threads_and_tasks_share_it(configured):
    """A task finds what a thread has stored."""
    with fake_pools():
        get_redis().set("k", "v")

        async def read() -> bytes | None:
            return await get_async_redis().get("k")

        assert asyncio.run(read()) == b"v"


def test_pools_and_configuration_are_put_back(url):
    """Also what was connected is connected still."""
    configure({"default": url})
    pool = get_pool()
    pool.client.set("k", "real")
    before = configs()

    with fake_pools({"default": {}, "other": {}}):
        assert get_pool() is not pool
        assert get_redis("other").get("k") is None
        inside = get_pool()
        configure({})

    assert configs() is before
    assert get_pool() is pool
    assert get_redis().get("k") == b"real"
    assert pool.stats().created == 1
    assert inside.is_closed
    configure({"another": url})
    assert get_redis("another").get("k") == b"real"


def test_pools_of_tasks_are_put_back(url):
    """In their event loop."""
    configure({"default": url})

    async def main() -> None:
        before = get_async_redis()
        await before.set("k", "real")
        with fake_pools():
            assert await get_async_redis().get("k") is None
        assert get_async_redis() is before
        assert await before.get("k") == b"real"

    asyncio.run(main())


def test_pool_that_is_configured_inside_is_on_a_fake(nowhere):
    """Whoever does that: `override_settings`, or the test."""
    with fake_pools():
        configure({"default": nowhere})

        assert get_redis().ping()


def test_without_configuration_there_is_a_default_pool():
    """For the tests of what uses `get_redis()` alone."""
    with fake_pools():
        assert get_redis().incr("n") == 1


def test_names_add_pools(configured):
    """Those that are configured are there as well."""
    with fake_pools("more", "default"):
        assert get_redis("more").ping()
        assert get_pool().max_connections == 3
        assert get_redis("reports").ping()


def test_mapping_is_in_place_of_the_configuration(configured):
    """A server need not be named; each pool has one of its own."""
    with fake_pools({"default": {"MAX_CONNECTIONS": 1}, "jobs": {}}):
        get_redis().set("k", "v")

        assert get_pool().max_connections == 1
        assert get_redis("jobs").get("k") is None
        with pytest.raises(ConfigError, match="reports"):
            get_redis("reports")


@pytest.mark.parametrize(
    "url",
    ["unix:///run/redis.sock?db=2", "rediss://host/2", "redis+sentinel://host:26379/service/2"],
)
def test_any_one_server_has_a_fake(url: str):
    """Over a socket file, with TLS, behind Sentinels: of these the fake has no need."""
    with fake_pools({"default": {"URL": url}}):
        assert get_redis().incr("n") == 1
        assert get_pool().connection_kwargs["db"] == 2


def test_cluster_has_none():
    """It is told to whoever asks for that pool; the others are there."""
    with fake_pools({"default": {}, "nodes": "redis+cluster://host:7000"}):
        assert get_redis().ping()
        with pytest.raises(ConfigError, match="Redis Cluster, and fake_pools"):
            get_redis("nodes")


def test_pool_that_is_made_by_hand_is_the_real_one(url):
    """It has no settings that could be replaced."""
    with fake_pools(), RedisPool.from_url(url) as pool:
        assert pool.client.info("server")["tcp_port"]


@pytest.mark.parametrize(
    "wrong", [(3,), ("redis://localhost",), ("a", {}), ({"default": {"NO": 1}},), ({"a": 3},)]
)
def test_wrong_arguments_are_refused(wrong):
    """The message names the function."""
    with pytest.raises(ConfigError, match="fake_pools"), fake_pools(*wrong):
        pass


def test_missing_library_is_told_with_its_extra(monkeypatch):
    """Before anything is changed."""
    monkeypatch.setattr(fakes, "find_spec", lambda name: None)

    with pytest.raises(ConfigError, match=r"redis-pool-ext\[fakeredis\]"), fake_pools():
        pass
