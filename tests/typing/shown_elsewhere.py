"""What docs/typing.md shows of plain programs."""

import redis

from redis_pool_ext import PoolExhaustedError, get_pool, get_redis, lease_scope


def count(client: redis.Redis, name: str) -> int:  # takes leased and other clients alike
    return client.incr(name)


count(get_redis(), "hits")

with get_pool().lease() as client:  # a LeasedRedis
    count(client, "hits")
    client.release()

with lease_scope("nightly job") as scope:
    count(get_redis(), "runs")  # a redis.Redis to type checkers: outside of a scope it is one
    scope.client(get_pool()).release()  # the same client, as the LeasedRedis that it is

try:
    count(get_redis(), "hits")
except PoolExhaustedError as error:
    seconds = error.retry_after  # int | None
    size = error.stats.max_connections if error.stats else 0
