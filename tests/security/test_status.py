"""The status page's question to the server, over TLS."""

from __future__ import annotations

import pytest

from redis_pool_ext import AsyncRedisPool, RedisPool
from redis_pool_ext.status.servers import ask_servers

from ..support.certificates import authority_file


@pytest.mark.parametrize("kind", [RedisPool, AsyncRedisPool])
def test_server_is_asked_over_tls(serve, kind):
    """With the pool's own settings; of a pool for tasks as well."""
    pool = kind.from_url(f"rediss://localhost:{serve()}/0", ssl_ca_certs=authority_file())

    (server,) = ask_servers(kept=0.0)
    assert server["error"] is None
    assert server["server"].startswith("rediss://localhost:")
    del pool


def test_server_that_cannot_be_trusted_is_not_asked(serve):
    """What is wrong with it stands there instead."""
    pool = RedisPool.from_url(f"rediss://localhost:{serve()}/0")

    (server,) = ask_servers(kept=0.0)
    assert "certificate" in server["error"]
    del pool
