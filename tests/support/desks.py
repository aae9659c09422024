"""A folder where the processes of one test meet, and no others."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path

import pytest

from redis_pool_ext.status import desk
from redis_pool_ext.status.folder import VARIABLE


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's processes meet; a short path: one of a socket has a hundred characters."""
    folder = tmp_path_factory.mktemp("d") / "desks"
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_desk_left() -> Iterator[None]:
    """Close this process's desk after the test."""
    yield
    if desk._desk is not None:
        atexit.unregister(desk._desk.close)
        desk._desk.close()
        desk._desk = None
