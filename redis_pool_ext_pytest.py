"""The plugin for pytest: the kit as fixtures, and pools of its own for each test by one setting.

    [pytest]
    redis_pools = fake

It stands beside the package: pytest loads it in every run, wherever the package is installed,
and a module inside would have the package, and redis-py, loaded with it. What it imports of the
kit it imports when that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from redis_pool_ext.testing import Block, SentCommands

__all__: list[str] = []

SETTING = MARKER = "redis_pools"
OFF = "off"
_MARKER_HELP = (
    "redis_pools(mode, *pools): the pools of this test: 'fake' (names or settings may follow), "
    "'real' (a URL or settings), 'off', or the URL of a server"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the setting."""
    parser.addini(
        SETTING,
        "pools of its own for each test: fake (fakeredis), real (a redis-server that each "
        "process starts), the URL of a server with an empty database, or off",
        default=OFF,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and refuse a setting that means nothing."""
    config.addinivalue_line("markers", _MARKER_HELP)
    mode = config.getini(SETTING)
    if mode != OFF:
        _pools_for(mode, where=SETTING)  # and not with the first test


def _pools_for(*asked: Any, where: str) -> Block[Any]:
    from redis_pool_ext import ConfigError
    from redis_pool_ext.testing.modes import pools_for

    try:
        return pools_for(*asked, where=where)
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.fixture(autouse=True)
def _redis_pools(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give the test pools of its own, as its marker or the setting says."""
    marker = request.node.get_closest_marker(MARKER)
    asked = (request.config.getini(SETTING),) if marker is None else _arguments_of(marker)
    if asked == (OFF,):
        yield
        return
    with _pools_for(*asked, where=SETTING if marker is None else f"the marker {MARKER}"):
        yield


def _arguments_of(marker: pytest.Mark) -> tuple[Any, ...]:
    if not marker.args or marker.kwargs:
        raise pytest.UsageError(
            f"a marker {MARKER} needs a mode, and takes no names: {_MARKER_HELP}"
        )
    return marker.args


@pytest.fixture
def fake_pools(_redis_pools: None) -> Iterator[None]:
    """Have the process' pools on fakeredis, with nothing stored, for this test."""
    from redis_pool_ext.testing import fake_pools

    with fake_pools():
        yield


@pytest.fixture
def isolated_pools(_redis_pools: None) -> Iterator[str]:
    """Have the process' pools on a redis-server of its own, emptied; the value is its URL."""
    from redis_pool_ext.testing import isolated_pools

    with isolated_pools() as url:
        assert url is not None  # it is for a mapping only
        yield url


@pytest.fixture
def exhausted_pool() -> Callable[..., Block[None]]:
    """`with exhausted_pool(alias):` somebody else has every connection."""
    from redis_pool_ext.testing import exhausted_pool

    return exhausted_pool


@pytest.fixture
def redis_down() -> Callable[..., Block[None]]:
    """`with redis_down(alias):` the server is gone."""
    from redis_pool_ext.testing import redis_down

    return redis_down


@pytest.fixture
def slow_redis() -> Callable[..., Block[None]]:
    """`with slow_redis(seconds, alias):` each answer comes late."""
    from redis_pool_ext.testing import slow_redis

    return slow_redis


@pytest.fixture
def assert_no_leaked_leases(_redis_pools: None) -> Iterator[None]:
    """Fail the test if a connection that was taken in it is still out at its end."""
    from redis_pool_ext.testing import assert_no_leaked_leases

    with assert_no_leaked_leases():
        yield


@pytest.fixture
def assert_max_redis_commands() -> Callable[..., Block[SentCommands]]:
    """`with assert_max_redis_commands(n):` no more are sent, or it fails and lists them."""
    from redis_pool_ext.testing import assert_max_redis_commands

    return assert_max_redis_commands
