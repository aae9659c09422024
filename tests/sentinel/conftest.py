"""The constellations: one that all tests share which switch by hand, others to be broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from redis_pool_ext.connecting import sentinels

from ..support.threads import wait_until
from .constellation import Constellation
from .sides import SIDES, Side


@pytest.fixture(scope="package")
def _shared() -> Iterator[Constellation]:
    with Constellation() as constellation:
        yield constellation


@pytest.fixture
def constellation(_shared: Constellation) -> Constellation:
    """Three Sentinels, in order, and who is the master does not matter; nothing is to die."""
    wait_until(_shared.is_in_order, 15)
    return _shared


@pytest.fixture
def breakable() -> Iterator[Constellation]:
    """Three Sentinels, and servers that may be killed."""
    with Constellation() as constellation:
        yield constellation


@pytest.fixture(autouse=True)
def _nothing_is_known() -> None:
    """Let no test know from another one which Sentinel has answered."""
    sentinels._panel_of.cache_clear()


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> Side:
    """What makes a pool of threads, then one of tasks."""
    return SIDES[request.param]
