"""`[opentelemetry]`: the API alone, without an SDK, is switched on and in nobody's way."""

import sys

from redis_pool_ext import configure, get_pool
from redis_pool_ext.metrics.opentelemetry import instrument

configure({"default": sys.argv[1]})
instrument()
with get_pool().lease() as client:
    assert client.ping()
