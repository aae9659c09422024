"""One process per example, and its visitors."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
import redis

from redis_pool_ext.embedded import EmbeddedRedis

from .site import MAX, Site, Visitor

# An example needs its framework.
collect_ignore = [
    f"test_with_{framework}.py" for framework in ("django", "flask") if find_spec(framework) is None
]


@pytest.fixture(scope="class")
def running(
    request: pytest.FixtureRequest,
    redis_server: EmbeddedRedis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """The example, on the server that all tests share and on a very small pool."""
    package = request.cls.package
    limits = {"POOL_MAX_CONNECTIONS": str(MAX), "POOL_TIMEOUT": "0.5"}
    folder = tmp_path_factory.mktemp(package)
    with Site(package, folder, REDIS_URL=redis_server.url, **limits) as site:
        yield site


@pytest.fixture
def site(running: Site, admin: redis.Redis) -> Site:
    """The example with nothing stored."""
    return running


@pytest.fixture
def visitor(site: Site) -> Visitor:
    """Somebody who has not been here before."""
    return site.visitor()
