"""`isolated_pools`: on a real server with nothing stored."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest
import redis

from redis_pool_ext import ConfigError, configure, get_pool, get_redis
from redis_pool_ext.embedded import EmbeddedRedis
from redis_pool_ext.testing import isolated_pools, own_server

from ..support.forks import FORK_WARNS, in_child


@pytest.fixture
def empty(url: str, admin: redis.Redis) -> str:
    """The address of an empty database of the shared server."""
    return url.replace("/0", "/3")


@pytest.fixture
def theirs(admin: redis.Redis) -> redis.Redis:
    """A client of that database, of somebody else's."""
    client = redis.Redis(port=admin.connection_pool.connection_kwargs["port"], db=3)
    yield client
    client.close()


# -- a server of its own -------------------------------------------------------------------


def test_server_is_this_process_own(nowhere):
    """The one that the settings name is not asked: there is none."""
    configure({"default": f"{nowhere}/0?max_connections=3"})

    with isolated_pools() as url:
        assert get_redis().incr("n") == 1
        assert get_pool().max_connections == 3
        with redis.Redis.from_url(url) as plain:
            assert plain.get("n") == b"1"


def test_each_block_begins_with_nothing():
    """Though the server is the same one, and was not stopped."""
    urls = set()
    for _ in range(2):
        with isolated_pools() as url:
            assert get_redis().incr("n") == 1
            urls.add(url)

    assert len(urls) == 1


def test_block_in_a_block_has_another_server():
    """The outer one's keys are not deleted by it."""
    with isolated_pools() as outer:
        get_redis().set("k", "v")
        with isolated_pools() as inner:
            assert get_redis().get("k") is None
        assert get_redis().get("k") == b"v"

    assert outer != inner


def test_each_configured_database_is_one_of_its_own():
    """As on the real servers: two aliases of one database share it, others do not."""
    configure({
        "default": "redis://one/0", "same": "redis://one/0", "second": "redis://one/1",
        "elsewhere": "redis://two/0",
    })  # fmt: skip
    with isolated_pools():
        get_redis().set("k", "v")

        assert get_redis("same").get("k") == b"v"
        assert get_redis("second").get("k") is None
        assert get_redis("elsewhere").get("k") is None


def test_server_that_a_test_has_stopped_is_replaced():
    """By the next block."""
    with isolated_pools() as url, redis.Redis.from_url(url) as plain:
        plain.shutdown(nosave=True)

    with isolated_pools() as another:
        assert get_redis().ping()
    assert another != url


def test_server_that_has_got_the_port_of_ours_is_not_emptied():
    """Ours has ended, and another program was given its port."""
    with EmbeddedRedis() as ours, EmbeddedRedis() as other:
        ours.port = other.port
        with redis.Redis.from_url(other.url) as plain:
            plain.set("precious", "v")

            assert not own_server._is_emptied(ours)
            assert plain.get("precious") == b"v"


@FORK_WARNS
def test_child_of_a_fork_has_its_own():
    """Also in the middle of a block, which it may leave; its parent's goes on."""
    stack = ExitStack()
    url = stack.enter_context(isolated_pools())

    def check() -> None:
        with isolated_pools() as another:
            assert another != url
        stack.close()
        with isolated_pools() as another:
            assert another != url
        for server in own_server._idle[os.getpid()]:
            server.close()  # at exit it would be, which this child does not come to

    with stack:
        get_redis().set("k", "v")
        in_child(check)
        assert get_redis().get("k") == b"v"


# -- a server that the test names ------------------------------------------------------------


def test_named_database_is_used_and_emptied(empty, theirs, admin):
    """Other databases of that server are not touched."""
    admin.set("theirs", "v")
    configure({"default": "redis://nowhere.invalid/0"})

    with isolated_pools(empty) as url:
        assert url == empty
        get_redis().set("k", "v")
        assert theirs.get("k") == b"v"

    assert theirs.dbsize() == 0
    assert admin.get("theirs") == b"v"


def test_database_with_something_in_it_is_refused(empty, theirs):
    """And nothing of it is deleted."""
    theirs.set("precious", "v")

    with pytest.raises(ConfigError, match="1 keys are stored there"), isolated_pools(empty):
        pass
    assert theirs.get("precious") == b"v"


def test_database_in_which_another_process_tests_is_refused(empty):
    """Two would empty it under each other."""
    with isolated_pools(empty):
        with pytest.raises(ConfigError, match="another process"), isolated_pools(empty):
            pass
        assert get_redis().ping()


def test_one_database_does_not_stand_in_for_two(empty):
    """They would share their keys, and tests would pass that should not."""
    configure({"default": "redis://one/0", "second": "redis://one/1"})

    with isolated_pools(empty):
        assert get_redis().ping()
        with pytest.raises(ConfigError, match="a URL for 'second' as well"):
            get_redis("second")


def test_mapping_names_a_database_for_each(empty, theirs):
    """With the settings that it has, in place of those of the process."""
    configure({"default": "redis://nowhere.invalid/0"})
    entry = {"URL": empty, "MAX_CONNECTIONS": 1}

    with isolated_pools({"default": entry}) as url:
        get_redis().set("k", "v")
        assert get_pool().max_connections == 1
        assert theirs.get("k") == b"v"
        assert url is None
    assert theirs.dbsize() == 0


def test_settings_from_elsewhere_get_the_mapped_server(empty, theirs):
    """Those of a Flask app, or of `override_settings`; a pool that is not mapped has none."""
    with isolated_pools({"default": empty}):
        configure({
            "default": "redis://:pw@nowhere.invalid/0?max_connections=2",
            "other": "redis://nowhere.invalid",
        })  # fmt: skip
        get_redis().set("k", "v")
        assert get_pool().max_connections == 2
        assert theirs.get("k") == b"v"
        with pytest.raises(ConfigError, match="no server for the pool 'other'"):
            get_redis("other")


def test_server_with_a_password_can_be_named():
    """Nothing of it is told."""
    with EmbeddedRedis("--requirepass", "s3cret") as server:
        url = server.url.replace("://", "://:s3cret@")
        with isolated_pools(url):
            get_redis().set("k", "v")
            with pytest.raises(ConfigError) as told, isolated_pools(url):
                pass
        assert "s3cret" not in str(told.value)


@pytest.mark.parametrize("wrong", [3, "localhost", "redis+cluster://host:7000", {"default": 3}])
def test_wrong_arguments_are_refused(wrong):
    """A cluster among them."""
    with pytest.raises(ConfigError), isolated_pools(wrong):
        pass
