"""A pool to lease from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from redis_pool_ext import RedisPool


@pytest.fixture
def pool(url: str) -> Iterator[RedisPool]:
    """A pool of two, with patience enough for a dial on a busy machine."""
    with RedisPool.from_url(url, max_connections=2, timeout=1) as pool:
        yield pool
