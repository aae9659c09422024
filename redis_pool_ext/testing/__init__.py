"""The testing kit: pools of a test's own, faults on demand, and what a request may not do.

Each of these is a context manager and a decorator, for functions and coroutine functions. The
plugin for pytest, `redis_pool_ext_pytest`, has fixtures of the same names.
"""

from .blocks import Block
from .cases import RedisPoolTestMixin
from .counting import SentCommands, assert_max_redis_commands
from .exhaustion import exhausted_pool
from .fakes import fake_pools
from .latency import slow_redis
from .leaks import assert_no_leaked_leases
from .outage import redis_down
from .real import isolated_pools

__all__ = [
    "Block",
    "RedisPoolTestMixin",
    "SentCommands",
    "assert_max_redis_commands",
    "assert_no_leaked_leases",
    "exhausted_pool",
    "fake_pools",
    "isolated_pools",
    "redis_down",
    "slow_redis",
]
