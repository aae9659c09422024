"""The status page's question to the server, where Sentinels say which one that is."""

from __future__ import annotations

import pytest

from redis_pool_ext import AsyncRedisPool, RedisPool
from redis_pool_ext.status.servers import ask_servers


@pytest.mark.parametrize("kind", [RedisPool, AsyncRedisPool])
def test_master_is_asked_for_its_clients(constellation, kind):
    """It is found as the pool finds it; of a pool for tasks as well."""
    pool = kind.from_url(constellation.url)

    (server,) = ask_servers(kept=0.0)
    assert server["error"] is None
    assert server["connected"] >= 3  # the Sentinels
    del pool
