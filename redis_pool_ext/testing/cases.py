"""`RedisPoolTestMixin`: pools of its own for each test of a `unittest.TestCase`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .counting import SentCommands, assert_max_redis_commands
from .leaks import assert_no_leaked_leases
from .modes import pools_for

if TYPE_CHECKING:
    import unittest

    from .blocks import Block

    _Base = unittest.TestCase
else:
    _Base = object

__all__ = ["RedisPoolTestMixin"]


class RedisPoolTestMixin(_Base):
    """Put it before `TestCase` (unittest's, Django's, `IsolatedAsyncioTestCase`).

    Each test has pools of its own, from `setUp` on, and fails if a connection is still out at
    its end. A `setUp` of your own calls `super().setUp()` first.
    """

    # "fake", "real", "off" or the URL of a server; what these mean, `pools_for` says.
    redis_pools: str = "fake"
    # Settings in place of those of the process, as in REDIS_POOLS.
    redis_pool_settings: Mapping[str, Any] | None = None
    # Whether a test fails that leaves a connection out.
    redis_leaks_fail = True

    def setUp(self) -> None:
        """Begin with pools of the test's own. Raises `ConfigError`."""
        settings = () if self.redis_pool_settings is None else (self.redis_pool_settings,)
        where = f"{type(self).__name__}.redis_pools"
        self.enterContext(pools_for(self.redis_pools, *settings, where=where))
        if self.redis_leaks_fail:
            self.enterContext(assert_no_leaked_leases())
        super().setUp()

    def assertMaxRedisCommands(self, n: int, alias: str | None = None) -> Block[SentCommands]:
        """Return `assert_max_redis_commands(n, alias)`, for `with`."""
        return assert_max_redis_commands(n, alias)
