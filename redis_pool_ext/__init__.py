"""One process, one Redis pool. A request takes a lease, uses it, gives it back.

No lease in time: HTTP 503. Nobody ever reads somebody else's reply.
"""

from ._version import __version__
from .aio.lease import AsyncLease
from .aio.loops import close_async_pools, get_async_pool, get_async_redis
from .aio.pool import AsyncRedisPool
from .budget import Budget
from .cluster.pool import ClusterPool
from .config import ConfigError, PoolConfig
from .errors import (
    BudgetExceededError,
    ConnectionPoolTimeoutError,
    LeaseError,
    LeaseStateLostError,
    PoolClosedError,
    PoolCredentialsError,
    PoolExhaustedError,
    PoolQueueFullError,
    PoolTLSError,
    PoolUnavailableError,
    RedisPoolError,
)
from .lease import Lease
from .pool import RedisPool
from .priority import Priority
from .process import close_pools, configure, get_pool, get_redis
from .scope import lease_scope
from .shared import shared_redis
from .stats import PoolStats

__all__ = [
    "AsyncLease",
    "AsyncRedisPool",
    "Budget",
    "BudgetExceededError",
    "ClusterPool",
    "ConfigError",
    "ConnectionPoolTimeoutError",
    "Lease",
    "LeaseError",
    "LeaseStateLostError",
    "PoolClosedError",
    "PoolConfig",
    "PoolCredentialsError",
    "PoolExhaustedError",
    "PoolQueueFullError",
    "PoolStats",
    "PoolTLSError",
    "PoolUnavailableError",
    "Priority",
    "RedisPool",
    "RedisPoolError",
    "__version__",
    "close_async_pools",
    "close_pools",
    "configure",
    "get_async_pool",
    "get_async_redis",
    "get_pool",
    "get_redis",
    "lease_scope",
    "shared_redis",
]
