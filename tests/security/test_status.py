"""The status page's question to the server, over TLS."""

from __future__ import annotations

import pytest

from redis_pool_ext import AsyncRedisPool, RedisPool
from redis_pool_ext.status.servers import ask_servers

from ..support.certificates import authority_file
from .test_tls import RedisThatSays


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


@pytest.mark.parametrize("protocol", [2, 3])
def test_password_that_a_server_quotes_is_not_shown(protocol):
    """One that does not know AUTH or HELLO repeats the arguments in its answer."""
    quotes = b"-ERR no p4ssw0rd; unknown command `HELLO`, with args beginning with: `p4ssw0rd`\r\n"
    with RedisThatSays(quotes) as port:
        pool = RedisPool.from_url(f"redis://us3r:p4ssw0rd@127.0.0.1:{port}/0?protocol={protocol}")
        (server,) = ask_servers(kept=0.0)

    assert "unknown command" in server["error"]
    assert "p4ssw0rd" not in server["error"]
    del pool
