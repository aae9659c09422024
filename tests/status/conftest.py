"""A folder for the desks of one test, and no desk left in this process."""

from __future__ import annotations

import atexit
from collections.abc import Iterator

import pytest

from redis_pool_ext.status import desk

from ..support.desks import place

__all__ = ["place"]


@pytest.fixture(autouse=True)
def _no_desk_left() -> Iterator[None]:
    yield
    if desk._desk is not None:
        atexit.unregister(desk._desk.close)
        desk._desk.close()
        desk._desk = None
