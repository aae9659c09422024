"""Take a connection before it is needed: a refusal then comes before the work, not amid it."""

from __future__ import annotations

from typing import Any, cast

from ..aio.pool import AsyncRedisPool
from ..cluster.pool import ClusterPool
from ..pool import RedisPool
from ..scope import Scope

__all__ = ["atake", "take"]


def take(scope: Scope, pool: RedisPool | ClusterPool) -> None:
    """Have the scope's lease of `pool` take its connection now. Raises as `get_connection`.

    Where each command borrows for itself (`hold`), it is given back, and one was to be had.
    Of a cluster it is one to the default node: which ones are needed, the keys will tell.
    """
    client: Any = scope.client(cast(RedisPool, pool))
    if isinstance(pool, ClusterPool):
        client.take()
    else:
        lease = client.connection_pool
        lease.release(lease.get_connection())


async def atake(scope: Scope, pool: AsyncRedisPool) -> None:
    """Do the same in an event loop."""
    lease = scope.client(pool).connection_pool
    lease.put_back(await lease.get_connection())
