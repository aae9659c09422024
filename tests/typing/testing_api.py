# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""The testing kit as the tests of an application use it: checked by mypy and pyright, never run.

What must be refused stands behind a `type: ignore`, as in api.py.
"""

from __future__ import annotations

import unittest
from typing import assert_type

from redis_pool_ext.testing import (
    Block,
    RedisPoolTestMixin,
    SentCommands,
    assert_max_redis_commands,
    assert_no_leaked_leases,
    exhausted_pool,
    fake_pools,
    isolated_pools,
    redis_down,
    slow_redis,
)

# -- blocks ----------------------------------------------------------------------------------

assert_type(fake_pools(), Block[None])
assert_type(fake_pools("default", "reports"), Block[None])
assert_type(fake_pools({"default": {"MAX_CONNECTIONS": 1}}), Block[None])
assert_type(isolated_pools(), Block[str | None])
assert_type(isolated_pools("redis://localhost:6379/15"), Block[str | None])
assert_type(isolated_pools({"default": "redis://localhost:6379/15"}), Block[str | None])
assert_type(exhausted_pool("default", timeout=None), Block[None])
assert_type(redis_down("default"), Block[None])
assert_type(slow_redis(0.5, "default"), Block[None])
assert_type(assert_no_leaked_leases(within=0), Block[None])
assert_type(assert_max_redis_commands(2, alias="default"), Block[SentCommands])

exhausted_pool(timeout="5")  # type: ignore[arg-type]
exhausted_pool("default", 5.0)  # type: ignore[call-arg]
slow_redis()  # type: ignore[call-arg]
fake_pools(3)  # type: ignore[arg-type]
assert_max_redis_commands("two")  # type: ignore[arg-type]

# -- by `with` and by `async with` -------------------------------------------------------------


def a_test() -> None:
    with isolated_pools() as url, assert_max_redis_commands(2) as sent:
        assert_type(url, str | None)
        assert_type(sent, SentCommands)
        assert_type(sent.commands, list[str])
        assert_type(len(sent), int)


async def a_test_of_coroutines() -> None:
    async with assert_max_redis_commands(2) as sent:
        assert_type(sent, SentCommands)


# -- as a decorator: a function stays what it is -------------------------------------------------


@redis_down()
def decorated(visitor: str) -> int:
    return len(visitor)


@slow_redis(0.5)
async def decorated_coroutine(visitor: str) -> int:
    return len(visitor)


async def what_was_decorated() -> None:
    assert_type(decorated("a visitor"), int)
    assert_type(await decorated_coroutine("a visitor"), int)
    decorated(3)  # type: ignore[arg-type]


# -- unittest ----------------------------------------------------------------------------------


class ShopTest(RedisPoolTestMixin, unittest.TestCase):
    redis_pools = "real"
    redis_pool_settings = {"default": {"MAX_CONNECTIONS": 1}}  # noqa: RUF012  as its users write
    redis_leaks_fail = False

    def test_it(self) -> None:
        with self.assertMaxRedisCommands(1, alias="default") as sent:
            assert_type(sent, SentCommands)


class OfCoroutines(RedisPoolTestMixin, unittest.IsolatedAsyncioTestCase):
    async def test_it(self) -> None:
        async with self.assertMaxRedisCommands(1):
            pass


class WithAWrongMode(RedisPoolTestMixin, unittest.TestCase):
    redis_pools = 3  # type: ignore[assignment]
