"""The shop, on a pool of two connections."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from flask import Flask

from redis_pool_ext.embedded import EmbeddedRedis

from .shop import Watch, make_shop


@pytest.fixture
def app(url: str) -> Flask:
    """A new application."""
    return make_shop(url)


@pytest.fixture
def watch(redis_server: EmbeddedRedis, admin: redis.Redis) -> Iterator[Watch]:
    """Who is connected meanwhile; neither the test's `admin` nor its own connection counts."""
    admin.connection_pool.disconnect()
    with redis.Redis(
        host=redis_server.host, port=redis_server.port, single_connection_client=True
    ) as own:
        yield Watch(own)
