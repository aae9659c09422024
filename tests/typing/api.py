# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Every public name, used as its users do: checked by mypy and pyright, never run.

What must be refused stands behind a `type: ignore`, and both checkers say so where one is not
needed: then a wrong call has become a right one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

import redis
import redis.asyncio
from redis.exceptions import MaxConnectionsError

from redis_pool_ext import (
    AsyncLease,
    AsyncRedisPool,
    Budget,
    BudgetExceededError,
    ClusterPool,
    ConfigError,
    ConnectionPoolTimeoutError,
    Lease,
    LeaseError,
    LeaseStateLostError,
    PoolClosedError,
    PoolConfig,
    PoolCredentialsError,
    PoolExhaustedError,
    PoolQueueFullError,
    PoolStats,
    PoolTLSError,
    PoolUnavailableError,
    Priority,
    RedisPool,
    RedisPoolError,
    __version__,
    close_async_pools,
    close_pools,
    configure,
    get_async_pool,
    get_async_redis,
    get_pool,
    get_redis,
    lease_scope,
    shared_redis,
)
from redis_pool_ext.aio.client import LeasedAsyncPipeline, LeasedAsyncRedis
from redis_pool_ext.client import LeasedPipeline, LeasedRedis
from redis_pool_ext.config import Problem
from redis_pool_ext.scope import Scope
from redis_pool_ext.shared import SharedRedis

URL = "redis://localhost:6379/0"

a_version: str = __version__

# -- pools ---------------------------------------------------------------------------------

pool = RedisPool.from_url(URL, max_connections=10, timeout=5)
assert_type(pool, RedisPool)
assert_type(RedisPool.from_config(PoolConfig.from_url(URL)), RedisPool)
assert_type(pool.client, redis.Redis)
assert_type(pool.stats(), PoolStats)
assert_type(pool.stats().in_use, int)
assert_type(pool.stats().wait_seconds, float)
assert_type(pool.stats().discarded, Mapping[str, int])
assert_type(pool.stats().summary(), str)
assert_type(pool.alias, str)
assert_type(pool.timeout, float)
assert_type(pool.max_connections, int)
assert_type(pool.max_waiting, int | None)
assert_type(pool.close(timeout=1.0), bool)


def takes_the_settings_of_the_constructor() -> RedisPool:
    return RedisPool(
        redis.Connection,
        16,
        2.0,
        alias="default",
        max_waiting=100,
        queue_discipline="codel",
        reserved={"high": 2},
        min_idle=1,
        idle_timeout=None,
        socket_timeout=1.0,  # redis-py's own go through
    )


class OwnPool(RedisPool):
    """One that is derived is what its own constructors return."""


assert_type(OwnPool.from_url(URL), OwnPool)

RedisPool(max_connections="10")  # type: ignore[arg-type]
RedisPool(timeout=None)  # type: ignore[arg-type]
RedisPool(min_idle=None)  # type: ignore[arg-type]
RedisPool(reserved={"high": "2"})  # type: ignore[dict-item]
RedisPool.from_url(6379)  # type: ignore[arg-type]
pool.stats().in_use = 3  # type: ignore[misc]
pool.close("soon")  # type: ignore[arg-type]

# -- leases --------------------------------------------------------------------------------

lease = pool.lease("nightly job", budget=2.0, priority="low")
assert_type(lease, Lease)
assert_type(lease.pool, RedisPool)
assert_type(lease.held_seconds(), float)
pool.lease(object(), budget=Budget(2.0), priority=Priority.HIGH, waits_once=True)

with pool.lease() as client:
    assert_type(client, LeasedRedis)
    assert_type(client.get("key"), bytes | str | None)
    assert_type(client.incrby("hits"), int)
    assert_type(client.is_degraded, bool)
    client.release()
    with client.pipeline() as pipeline:
        assert_type(pipeline.execute(), list[Any])
    assert_type(client.pipeline(transaction=False), LeasedPipeline)
    a_function_of_redis_py: redis.Redis = client  # takes a leased client as well

pool.lease(budget="2 s")  # type: ignore[arg-type]
pool.lease(priority=1.5)  # type: ignore[arg-type]
client.relaese()  # type: ignore[attr-defined]
with pool as given:
    assert_type(given, RedisPool)

assert_type(Budget(2.0).left(), float)
assert_type(Budget.of(None), Budget | None)
assert_type(Priority.of("high"), Priority)

# -- the process ---------------------------------------------------------------------------

configure({"default": URL, "reports": {"URL": URL, "MAX_CONNECTIONS": 4}})
assert_type(get_pool(), RedisPool)
assert_type(get_pool("reports"), RedisPool)
assert_type(get_redis("reports"), redis.Redis)
assert_type(get_redis().get("key"), bytes | str | None)
assert_type(get_redis().incrby("hits"), int)
assert_type(shared_redis(), SharedRedis)
a_client_that_a_library_keeps: redis.Redis = shared_redis("reports")

with lease_scope("nightly job", budget=2.0, priority="low") as scope:
    assert_type(scope, Scope)
    assert_type(scope.client(get_pool()), LeasedRedis)
    scope.limit(budget=1.0, priority=Priority.LOW)


@lease_scope("nightly job")
def decorated_by_a_scope(number: int) -> str:
    return str(number)


assert_type(decorated_by_a_scope(1), str)
decorated_by_a_scope("1")  # type: ignore[arg-type]

close_pools()

configure([URL])  # type: ignore[arg-type]
get_pool(0)  # type: ignore[arg-type]
get_redis(alias=None)  # type: ignore[arg-type]
get_redis().release()  # type: ignore[attr-defined]  # outside of a scope nothing is held
lease_scope(priority=2.5)  # type: ignore[arg-type]

# -- a cluster -----------------------------------------------------------------------------

cluster = ClusterPool([("localhost", 7000)], max_connections=4)
assert_type(cluster.stats(), PoolStats)
assert_type(ClusterPool.from_url("redis+cluster://localhost:7000"), ClusterPool)
ClusterPool(["localhost"])  # type: ignore[list-item]

# -- settings ------------------------------------------------------------------------------

config = PoolConfig.from_url(URL, alias="reports", max_connections=4)
assert_type(config, PoolConfig)
assert_type(config.max_waiting, int | None)
assert_type(config.reserved, Mapping[str, int] | None)
config.timeout = 1.0  # type: ignore[misc]  # a record is frozen

try:
    configure({})
except ConfigError as wrong:
    assert_type(wrong.problems, list[Problem])
    assert_type(wrong.problems[0].hint, str)

# -- errors --------------------------------------------------------------------------------


def reads_what_an_error_carries(error: RedisPoolError) -> None:
    assert_type(error.alias, str | None)
    assert_type(error.stats, PoolStats | None)
    assert_type(error.retry_after, int | None)


def catches_by_redis_pys_classes() -> None:
    unavailable: redis.ConnectionError = PoolUnavailableError("no route", alias="default")
    exhausted: MaxConnectionsError = PoolExhaustedError(retry_after=2)
    spent: redis.TimeoutError = BudgetExceededError()
    lost: redis.ConnectionError = LeaseStateLostError()
    root: redis.RedisError = PoolClosedError()
    raise ExceptionGroup("all", [unavailable, exhausted, spent, lost, root])


def knows_kinds_by_their_classes(
    no_tls: PoolTLSError,
    no_password: PoolCredentialsError,
    waited: ConnectionPoolTimeoutError,
    sent_away: PoolQueueFullError,
    lost: LeaseStateLostError,
) -> tuple[PoolUnavailableError, PoolUnavailableError, PoolExhaustedError, PoolExhaustedError]:
    mistake: LeaseError = lost
    reads_what_an_error_carries(mistake)
    return no_tls, no_password, waited, sent_away


RedisPoolError("no connection", 2)  # type: ignore[call-arg, arg-type]
RedisPoolError("no connection", retry_after="2 s")  # type: ignore[arg-type]

# -- asyncio -------------------------------------------------------------------------------


async def in_a_coroutine() -> None:
    assert_type(get_async_pool(), AsyncRedisPool)
    assert_type(get_async_redis("reports"), redis.asyncio.Redis)
    assert_type(await get_async_redis().get("key"), bytes | str | None)
    pool = AsyncRedisPool.from_url(URL, max_connections=10)
    assert_type(pool, AsyncRedisPool)
    assert_type(pool.client, redis.asyncio.Redis)
    assert_type(pool.lease("task", budget=2.0, priority="low"), AsyncLease)
    async with pool.lease() as client:
        assert_type(client, LeasedAsyncRedis)
        assert_type(await client.get("key"), bytes | str | None)
        assert_type(await client.incrby("hits"), int)
        assert_type(client.pipeline(), LeasedAsyncPipeline)
        await client.release()
    with lease_scope() as scope:  # a plain one is for both
        assert_type(scope.client(get_async_pool()), LeasedAsyncRedis)
    assert_type(await pool.close(timeout=1.0), bool)
    await close_async_pools()

    with pool.lease():  # type: ignore[attr-defined]
        pass
    async with get_pool().lease():  # type: ignore[attr-defined]
        pass
    get_async_pool(1)  # type: ignore[arg-type]
