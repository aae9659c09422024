"""`[prometheus]`: a scrape has the pool's numbers."""

import sys

from prometheus_client import CollectorRegistry, generate_latest

from redis_pool_ext import configure, get_pool
from redis_pool_ext.metrics.prometheus import PoolCollector

configure({"default": sys.argv[1]})
registry = CollectorRegistry()
registry.register(PoolCollector())
with get_pool().lease() as client:
    client.ping()
    page = generate_latest(registry).decode()
assert 'db_client_connection_count{db_client_connection_pool_name="default",state="used"} 1' in page
