"""`[hiredis]`: redis-py parses with it, and so does a lease."""

import sys

from redis_pool_ext import RedisPool

with RedisPool.from_url(sys.argv[1]) as pool, pool.lease() as client:
    assert client.set("k", "v")
    assert client.get("k") == b"v"
    assert "hiredis" in sys.modules
    [connection] = client.connection_pool.held
    assert "Hiredis" in type(connection._parser).__name__, connection._parser
