"""One process per example, and its visitors."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
import redis

from redis_pool_ext.embedded import EmbeddedRedis

from .site import Site, Visitor

# An example needs its framework.
collect_ignore = [
    f"test_with_{framework}.py" for framework in ("django", "flask") if find_spec(framework) is None
]
if len(collect_ignore) == 2:
    collect_ignore.append("test_readmes.py")


@pytest.fixture(scope="class")
def running(
    request: pytest.FixtureRequest,
    redis_server: EmbeddedRedis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """The example as the test's class starts it, on the server that all tests share."""
    folder = tmp_path_factory.mktemp(request.cls.package)
    with request.cls.start(redis_server.url, folder) as site:
        yield site


@pytest.fixture
def site(running: Site, admin: redis.Redis) -> Site:
    """The example with nothing stored."""
    return running


@pytest.fixture
def visitor(site: Site) -> Visitor:
    """Somebody who has not been here before."""
    return site.visitor()
