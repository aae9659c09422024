"""The package alone: a lease, a borrowed command, a full pool."""

import sys

from redis_pool_ext import PoolExhaustedError, RedisPool

with RedisPool.from_url(sys.argv[1], max_connections=1, timeout=0) as pool:
    with pool.lease() as client:
        assert client.set("k", "v")
        assert client.get("k") == b"v"
        try:
            pool.get_connection()
        except PoolExhaustedError as error:
            print(error)
        else:
            raise AssertionError("the pool was full")
    assert pool.stats().idle == 1
