"""A folder where the processes of one test meet, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from redis_pool_ext.status.folder import VARIABLE


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's processes meet; a short path: one of a socket has a hundred characters."""
    folder = tmp_path_factory.mktemp("d") / "desks"
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder
