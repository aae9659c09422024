"""Who asks a pool, as the pool sees it."""

from __future__ import annotations

from typing import Any

import pytest

from redis_pool_ext import RedisPool

__all__ = ["asked"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The priorities of those who ask pools of threads for a connection."""
    asked: list[Any] = []
    own = RedisPool.get_connection

    def get_connection(self: RedisPool, *args: Any, **options: Any) -> Any:
        asked.append(options["priority"])
        return own(self, *args, **options)

    monkeypatch.setattr(RedisPool, "get_connection", get_connection)
    return asked
