"""`[lz4]`, `[msgpack]`, `[zstd]`: what Django's cache stores, it reads; it has become shorter.

`python -I with_values.py URL EXTRA`
"""

import sys

from django.conf import settings

URL, EXTRA = sys.argv[1:3]
OPTIONS = {"SERIALIZER": "msgpack"} if EXTRA == "msgpack" else {"COMPRESSOR": EXTRA}
settings.configure(
    CACHES={
        "default": {
            "BACKEND": "redis_pool_ext.django.cache.RedisPoolCache",
            "OPTIONS": OPTIONS,
        }
    },
    INSTALLED_APPS=["redis_pool_ext.django"],
    REDIS_POOLS={"default": URL},
)

import django  # noqa: E402

django.setup()
from django.core.cache import cache  # noqa: E402

from redis_pool_ext import get_redis  # noqa: E402

VALUE = {"text": "a" * 10_000, "numbers": [1, 2, 3]}
cache.set("value", VALUE)
assert cache.get("value") == VALUE
[key] = get_redis().keys("*value*")
assert EXTRA == "msgpack" or get_redis().strlen(key) < 1_000
