"""Leases for tests: moved on in time, without a wait."""

from __future__ import annotations

import redis


def age(client: redis.Redis) -> None:
    """Let the client's last command be so long ago that its lease looks before the next.

    A restarted server can be back sooner than that, in 4 ms.
    """
    client.connection_pool._used_at = 0.0
