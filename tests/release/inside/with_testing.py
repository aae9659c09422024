"""`[testing]`: a full pool on fakeredis, and a server from a wheel where none is on PATH."""

import os

from redis_pool_ext import ConnectionPoolTimeoutError, get_redis
from redis_pool_ext.testing import exhausted_pool, fake_pools, isolated_pools

with fake_pools():
    assert get_redis().incr("hits") == 1
    with exhausted_pool():
        try:
            get_redis().get("hits")
        except ConnectionPoolTimeoutError:
            pass
        else:
            raise AssertionError("the pool is not full")

os.environ["PATH"] = os.path.dirname(os.__file__)
with isolated_pools():
    assert get_redis().info("server")["redis_version"]
