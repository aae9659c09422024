"""The testing kit in a Django project: what visitors get, and whose settings hold."""

from __future__ import annotations

import asyncio
import unittest

import pytest
from django.conf import settings as django_settings
from django.test import AsyncClient, Client, SimpleTestCase, override_settings

from redis_pool_ext import get_pool, get_redis
from redis_pool_ext.process import configs
from redis_pool_ext.testing import (
    RedisPoolTestMixin,
    assert_max_redis_commands,
    assert_no_leaked_leases,
    exhausted_pool,
    fake_pools,
    redis_down,
    slow_redis,
)


def ask_sync() -> int:
    return Client(raise_request_exception=False).get("/hits/").status_code


def ask_async() -> int:
    """In an event loop of its own, which has a pool of its own."""
    return asyncio.run(AsyncClient(raise_request_exception=False).get("/aredis/hits/")).status_code


@pytest.fixture(params=[ask_sync, ask_async])
def ask(request):
    return request.param


def test_visitor_of_an_exhausted_pool_gets_503(ask):
    """As soon as the view asks for Redis; afterwards 200."""
    with exhausted_pool():
        assert ask() == 503
    assert ask() == 200


def test_visitor_gets_503_while_redis_is_down(ask):
    """Also the one who comes when the circuit is open."""
    assert ask() == 200
    with redis_down():
        assert [ask() for _ in range(4)] == [503] * 4
    assert ask() == 200


def test_visitor_waits_for_a_slow_server(ask, pool):
    """As long as the socket's timeout lets the view."""
    with slow_redis(0.01):
        assert ask() == 200


def test_commands_of_a_request_are_counted(ask):
    """The request runs in this process."""
    with assert_max_redis_commands(1) as sent:
        ask()

    assert sent.commands == ["INCRBY hits"]


def test_request_leaks_nothing(ask):
    """Its lease has ended with the response."""
    with assert_no_leaked_leases(within=0):
        ask()


def test_stream_that_is_not_closed_is_a_leak():
    """The message names the request."""
    with pytest.raises(AssertionError, match="GET /stream/"), assert_no_leaked_leases(within=0):
        response = Client().get("/stream/")
        next(iter(response))
    response.close()


class TestOnFakes:
    """`fake_pools`, with Django's settings."""

    @pytest.fixture(autouse=True)
    def _fakes(self, pool):
        pytest.importorskip("fakeredis")
        self.real = pool
        with fake_pools():
            yield

    def test_project_is_on_a_fake(self, admin):
        """With its own settings."""
        assert ask_sync() == 200
        assert get_pool().max_connections == 2
        assert get_redis().get("hits") == b"1"
        assert admin.get("hits") is None

    def test_settings_that_are_overridden_are_on_a_fake(self, nobody_there):
        """And those of before hold again, afterwards."""
        entry = {"URL": nobody_there, "MAX_CONNECTIONS": 3}
        with override_settings(REDIS_POOLS={"default": entry}):
            assert ask_sync() == 200
            assert get_pool().max_connections == 3
        assert ask_sync() == 200
        assert get_pool().max_connections == 2


def test_project_is_on_its_server_again(pool, admin):
    """With the pool that it had."""
    pytest.importorskip("fakeredis")
    before = configs()
    with fake_pools({"default": {}}):
        assert ask_sync() == 200

    assert configs() is before
    assert ask_sync() == 200
    assert admin.get("hits") == b"1"
    assert get_pool() is pool


def run(case: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def test_mixin_gives_each_test_of_a_test_case_its_own_pools(admin):
    """Django's, too; within a class that overrides settings."""
    pytest.importorskip("fakeredis")

    class Hits(RedisPoolTestMixin, SimpleTestCase):
        def test_first(self):
            """One of a user's."""
            assert self.client.get("/hits/").status_code == 200
            assert get_redis().get("hits") == b"1"

        test_second = test_first

    other = {"default": {**django_settings.REDIS_POOLS["default"], "MAX_CONNECTIONS": 1}}
    with override_settings(REDIS_POOLS=other):
        result = run(Hits)

    assert (result.testsRun, result.failures, result.errors) == (2, [], [])
    assert admin.get("hits") is None
