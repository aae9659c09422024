"""The plugin for pytest: the kit as fixtures, and pools of its own for each test by one setting.

    [pytest]
    redis_pools = fake

It imports nothing of the kit before a test uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from . import Block, SentCommands

__all__: list[str] = []

SETTING = MARKER = "redis_pools"
_MODES = ("fake", "real", "off")
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
        default="off",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and refuse a setting that means nothing."""
    config.addinivalue_line("markers", _MARKER_HELP)
    mode = config.getini(SETTING)
    if mode not in _MODES and "://" not in mode:
        from redis_pool_ext.problems import shown

        known = ", ".join(_MODES)
        raise pytest.UsageError(f"{SETTING} = {shown(mode)}: give one of {known}, or a URL")


@pytest.fixture(autouse=True)
def _redis_pools(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give the test pools of its own, as its marker or the setting says."""
    marker = request.node.get_closest_marker(MARKER)
    asked = marker.args if marker is not None else (request.config.getini(SETTING),)
    if asked == ("off",) and (marker is None or not marker.kwargs):
        yield
        return
    with _pools_asked_for(asked, marker):
        yield


def _pools_asked_for(asked: tuple[Any, ...], marker: pytest.Mark | None) -> Block[Any]:
    from redis_pool_ext.config import ConfigError

    from .modes import pools_for

    if marker is not None and (not asked or marker.kwargs):
        raise pytest.UsageError(
            f"a marker {MARKER} needs a mode, and takes no names: {_MARKER_HELP}"
        )
    try:
        return pools_for(*asked, where=SETTING if marker is None else f"the marker {MARKER}")
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.fixture
def fake_pools(_redis_pools: None) -> Iterator[None]:
    """Have the process' pools on fakeredis, with nothing stored, for this test."""
    from . import fake_pools

    with fake_pools():
        yield


@pytest.fixture
def isolated_pools(_redis_pools: None) -> Iterator[str]:
    """Have the process' pools on a redis-server of its own, emptied; the value is its URL."""
    from . import isolated_pools

    with isolated_pools() as url:
        assert url is not None  # it is for a mapping only
        yield url


@pytest.fixture
def exhausted_pool() -> Callable[..., Block[None]]:
    """`with exhausted_pool(alias):` somebody else has every connection."""
    from . import exhausted_pool

    return exhausted_pool


@pytest.fixture
def redis_down() -> Callable[..., Block[None]]:
    """`with redis_down(alias):` the server is gone."""
    from . import redis_down

    return redis_down


@pytest.fixture
def slow_redis() -> Callable[..., Block[None]]:
    """`with slow_redis(seconds, alias):` each answer comes late."""
    from . import slow_redis

    return slow_redis


@pytest.fixture
def assert_no_leaked_leases(_redis_pools: None) -> Iterator[None]:
    """Fail the test if a connection that was taken in it is still out at its end."""
    from . import assert_no_leaked_leases

    with assert_no_leaked_leases():
        yield


@pytest.fixture
def assert_max_redis_commands() -> Callable[..., Block[SentCommands]]:
    """`with assert_max_redis_commands(n):` no more are sent, or it fails and lists them."""
    from . import assert_max_redis_commands

    return assert_max_redis_commands
