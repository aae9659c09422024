"""One process, one pool per config: get_pool, get_redis, configure, close_pools."""

from __future__ import annotations

import threading

import pytest

import redis_pool_ext
from redis_pool_ext import (
    ConfigError,
    PoolClosedError,
    close_pools,
    configure,
    get_pool,
    get_redis,
    lease_scope,
)
from redis_pool_ext.client import LeasedRedis

from .support.threads import spawn


def test_nothing_configured_says_what_to_do():
    """The message shows the call that is missing."""
    with pytest.raises(ConfigError) as caught:
        get_pool()

    assert str(caught.value) == (
        "REDIS_POOLS['default']: is not configured, and nothing else is; set REDIS_POOLS in "
        "Django's settings or in the Flask app's config, or call "
        "redis_pool_ext.configure({'default': 'redis://localhost:6379/0'})"
    )


def test_unknown_alias_names_those_that_are_known():
    """A typo is answered with the right names."""
    configure({"default": "redis://localhost", "reports": "redis://localhost/1"})
    with pytest.raises(ConfigError, match=r"'report'\]: is not configured; known are"):
        get_pool("report")


def test_threads_that_race_get_the_same_pool(url):
    """One pool per config, however many ask for it first."""
    configure({"default": url})
    barrier = threading.Barrier(16)

    def ask():
        barrier.wait()
        return get_pool()

    threads = [spawn(ask) for _ in range(16)]
    assert len({id(thread.result()) for thread in threads}) == 1


def test_same_address_under_two_aliases_is_two_pools(url):
    """Bulkheads: each alias has its own bound."""
    configure({"default": url, "reports": {"URL": url, "MAX_CONNECTIONS": 1}})

    assert get_pool() is not get_pool("reports")
    assert get_pool("reports").max_connections == 1


def test_wrong_settings_change_nothing(url):
    """What was configured stays in force."""
    configure({"default": url})
    with pytest.raises(ConfigError):
        configure({"default": {"URL": url, "MAX_CONNECTION": 3}})

    assert get_redis().ping()


def test_reconfiguring_closes_what_is_gone_and_keeps_the_rest(url):
    """A pool whose settings are unchanged is not disturbed."""
    configure({"default": url, "old": url})
    kept, gone = get_pool(), get_pool("old")
    configure({"default": url})

    assert get_pool() is kept
    with pytest.raises(PoolClosedError):
        gone.get_connection()


def test_closed_pools_are_made_anew_when_asked_for(url):
    """close_pools() is not the end: the next get_pool() works."""
    configure({"default": url})
    before = get_pool()
    close_pools()

    assert before.is_closed
    assert get_redis().ping()
    assert get_pool() is not before


class TestGetRedis:
    """The one door for libraries and tasks."""

    def test_outside_a_scope_it_borrows_per_command(self, url):
        """Nothing is held between two commands."""
        configure({"default": url})
        get_redis().ping()

        assert get_pool().stats().in_use == 0

    def test_inside_a_scope_it_is_the_leased_client(self, url):
        """One connection for all who ask, to the end of the scope."""
        configure({"default": url})
        with lease_scope():
            assert get_redis() is get_redis()
            assert isinstance(get_redis(), LeasedRedis)
            get_redis().ping()
            assert get_pool().stats().in_use == 1

        assert get_pool().stats().in_use == 0

    def test_nested_scopes_share_one_connection(self, url):
        """Whoever asks again in the same task gets the same connection; the outer ends it."""
        configure({"default": {"URL": url, "MAX_CONNECTIONS": 1, "TIMEOUT": 5}})
        with lease_scope() as outer:
            get_redis().set("k", 1)
            with lease_scope() as inner:
                assert inner is outer
                assert get_redis().get("k") == b"1"
            assert get_redis().get("k") == b"1"

        assert get_pool().stats().created == 1

    def test_each_alias_has_its_own_lease(self, url):
        """A scope holds one connection per pool."""
        configure({"default": url, "reports": url})
        with lease_scope():
            get_redis().ping()
            get_redis("reports").ping()
            assert get_pool().stats().in_use == get_pool("reports").stats().in_use == 1

    def test_other_threads_are_outside_the_scope(self, url):
        """A thread started in a request does not use the request's connection."""
        configure({"default": url})
        with lease_scope():
            assert not isinstance(spawn(get_redis).result(), LeasedRedis)

    def test_ended_scope_does_not_count(self, url):
        """A task that outlives its request borrows per command."""
        configure({"default": url})
        with lease_scope() as scope:
            get_redis().ping()
            scope.end()

            assert get_redis().ping()
            assert get_pool().stats().in_use == 0

    def test_scope_that_raises_gives_back(self, url):
        """As a request whose view fails."""
        configure({"default": url})
        with pytest.raises(ZeroDivisionError), lease_scope():
            get_redis().ping()
            raise ZeroDivisionError

        assert get_pool().stats().in_use == 0


def test_fakeredis_needs_no_server():
    """For development and tests: in the process, shared by its address."""
    configure({"default": "fakeredis://here/0", "same": "fakeredis://here/0"})
    with lease_scope():
        assert get_redis().set("k", "v")
        assert get_redis().pipeline().get("k").execute() == [b"v"]
    assert get_redis("same").get("k") == b"v"


def test_public_names_are_all_there():
    """`__all__` is what the README shows."""
    assert all(hasattr(redis_pool_ext, name) for name in redis_pool_ext.__all__)
