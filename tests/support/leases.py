"""Leases for tests: moved on in time, without a wait."""

from __future__ import annotations

import pytest
import redis

import redis_pool_ext.aio.lease
from redis_pool_ext import lease
from redis_pool_ext.leasing import holding


def age(client: redis.Redis) -> None:
    """Let the client's last command be so long ago that its lease looks before the next.

    A restarted server can be back sooner than that, in 4 ms.
    """
    client.connection_pool._used_at = 0.0


def look_after(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a lease look at its socket after a pause of so many seconds, on its short way, too."""
    for module in (holding, lease, redis_pool_ext.aio.lease):
        monkeypatch.setattr(module, "LOOK_IN_LEASE_AFTER", seconds)
