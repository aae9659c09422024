"""`[fakeredis]`: a URL is a server in the process."""

from redis_pool_ext import configure, get_pool, get_redis

configure({"default": "fakeredis://"})
assert get_redis().incr("hits") == 1
with get_pool().lease() as client:
    assert client.incr("hits") == 2
    assert client.eval("return 7", 0) == 7
