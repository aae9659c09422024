"""Django's tests, each class with our backend in the place of its own."""

from __future__ import annotations

import unittest
from typing import Any
from unittest import mock

from cache import tests as of_cache
from django.core.cache import cache, caches
from django.test import override_settings
from sessions_tests import tests as of_sessions

from redis_pool_ext import get_redis
from redis_pool_ext.django.sessions import SessionStore
from tests.support.awaited import Awaited

OURS = {"BACKEND": "redis_pool_ext.django.cache.RedisPoolCache"}

on_our_backend = override_settings(
    CACHES=of_cache.caches_setting_for_tests(base=OURS, exclude=of_cache.redis_excluded_caches)
)

# These look at private names of Django's backend.
PRIVATE = {
    "test_incr_write_connection": "RedisCacheClient.get_client: there is no such class",
    "test_cache_client_class": "cache._class and cache._cache: there is no such class",
    "test_get_connection_pool_index": "cache._cache: one pool, for reading and writing",
    "test_get_connection_pool": "cache._cache: the pool is the process's",
    "test_get_client": "cache._cache: the client is the request's",
    "test_serializer_dumps": "cache._cache._serializer: tests/django_wing/test_cache.py has it",
    "test_redis_pool_options": "cache._cache: these options belong into REDIS_POOLS",
}

# To pickle a queryset is to ask the database, which Django allows in threads only.
IN_A_THREAD = {
    "test_cache_read_for_model_instance_with_deferred": "pickles a queryset in a coroutine",
    "test_cache_write_for_model_instance_with_deferred": "pickles a queryset in a coroutine",
}


def left_out(reason: str) -> Any:
    """Return a test that is not run, and says why."""

    @unittest.skip(reason)
    def test(_self: Any) -> None:
        pass

    return test


class OnOurs(of_cache.RedisCacheTests):  # type: ignore[misc]
    """All that Django asks of its Redis backend."""

    locals().update({name: left_out(reason) for name, reason in PRIVATE.items()})

    def tearDown(self) -> None:
        super().tearDown()
        # Django's clear() empties the database, ours this cache: the prefixed ones are left.
        get_redis().flushdb()


class AllAwaited:
    """The caches, by alias, each of them so."""

    def __getitem__(self, alias: str) -> Awaited:
        return Awaited(caches[alias])


class OnOursAwaited(OnOurs):
    """The same, by the asynchronous methods."""

    locals().update({name: left_out(reason) for name, reason in IN_A_THREAD.items()})

    def setUp(self) -> None:
        super().setUp()
        for name, value in (("cache", Awaited(cache)), ("caches", AllAwaited())):
            patch = mock.patch.object(of_cache, name, value)
            patch.start()
            self.addCleanup(patch.stop)


OnOurs = on_our_backend(OnOurs)
OnOursAwaited = on_our_backend(OnOursAwaited)


@override_settings(CACHES={"default": OURS})
class SessionsInCache(of_sessions.CacheSessionTests):  # type: ignore[misc]
    """`django.contrib.sessions.backends.cache`."""


class OurSessionsInCache(SessionsInCache):
    """`redis_pool_ext.django.sessions`."""

    backend = SessionStore


@override_settings(CACHES={"default": OURS})
class SessionsInCacheAndDatabase(of_sessions.CacheDBSessionTests):  # type: ignore[misc]
    """`django.contrib.sessions.backends.cached_db`."""
