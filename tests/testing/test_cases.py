"""`RedisPoolTestMixin`: unittest's test cases."""

from __future__ import annotations

import unittest

import pytest

from redis_pool_ext import configure, get_async_redis, get_pool, get_redis
from redis_pool_ext.testing import RedisPoolTestMixin


@pytest.fixture(autouse=True)
def _fakes():
    pytest.importorskip("fakeredis")


def run(case: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def errors(case: type[unittest.TestCase]) -> str:
    """Return what failed, in all."""
    result = run(case)
    return "".join(text for _, text in result.failures + result.errors)


def test_each_test_has_pools_of_its_own(url):
    """On fakes, with the settings of the process, which are put back."""
    configure({"default": f"{url}?max_connections=3"})
    pool = get_pool()

    class Case(RedisPoolTestMixin, unittest.TestCase):
        def setUp(self):
            super().setUp()
            self.first = get_redis().incr("n")

        def test_one(self):
            """One of a user's."""
            assert self.first == 1
            assert get_pool().max_connections == 3

        test_other = test_one

    assert errors(Case) == ""
    assert get_pool() is pool
    assert get_redis().get("n") is None


def test_real_server_and_settings_can_be_asked_for(url):
    """By two attributes."""

    class Case(RedisPoolTestMixin, unittest.TestCase):
        redis_pools = "real"
        redis_pool_settings = {"default": {"URL": url, "MAX_CONNECTIONS": 1}}  # noqa: RUF012

        def test_it(self):
            """One of a user's."""
            assert get_pool().max_connections == 1
            assert get_redis().info("server")

    assert errors(Case) == ""


def test_coroutine_has_its_pools():
    """In the event loop of the test case."""

    class Case(RedisPoolTestMixin, unittest.IsolatedAsyncioTestCase):
        async def test_one(self):
            """One of a user's."""
            assert await get_async_redis().incr("n") == 1

        test_other = test_one

    assert errors(Case) == ""


def test_lease_that_is_not_ended_fails_the_test():
    """That is on where nothing else is said."""
    leases = []

    class Case(RedisPoolTestMixin, unittest.TestCase):
        def test_it(self):
            """One of a user's."""
            leases.append(get_pool().lease("a forgetful one"))
            leases[-1].client().ping()

    class Careless(Case):
        redis_leaks_fail = False

    assert "a forgetful one" in errors(Case)
    assert errors(Careless) == ""


def test_one_command_too_many_fails_the_test():
    """With the list of all."""

    class Case(RedisPoolTestMixin, unittest.TestCase):
        def test_it(self):
            """One of a user's."""
            with self.assertMaxRedisCommands(0):
                get_redis().get("k")

    assert "1. GET k" in errors(Case)


def test_wrong_mode_is_told():
    """With the attribute, and with those that there are."""

    class Case(RedisPoolTestMixin, unittest.TestCase):
        redis_pools = "fakes"

        def test_it(self):
            """One of a user's."""
            raise AssertionError("it was run")

    said = errors(Case)
    assert "Case.redis_pools: 'fakes' is not a mode" in said
    assert "did you mean 'fake'?" in said
    assert "it was run" not in said
