"""How a connection is borrowed: the same three ways from our pools and from redis-py's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import redis
import redis.asyncio

from redis_pool_ext import AsyncRedisPool, RedisPool
from tests.aio import tasks
from tests.support import threads

from .verbs import done

HOLDER = "GET /alice (views.alice)"


def is_of_tasks(pool: Any) -> bool:
    """Tell whether what a pool waits for has to be awaited."""
    return isinstance(pool, AsyncRedisPool | redis.asyncio.ConnectionPool)


def client_of(pool: Any) -> Any:
    """Return redis-py's client that borrows anew for each command and each pipeline."""
    return (redis.asyncio.Redis if is_of_tasks(pool) else redis.Redis)(connection_pool=pool)


class Borrower:
    """The first borrower: a client on the pool, and the connection below it.

    `do` sends one command and reads its reply; `connection` lends the bare connection
    for what no client does.
    """

    def __init__(self, pool: Any, client: Any) -> None:
        self.pool, self.client = pool, client

    async def do(self, *args: Any) -> Any:
        return await done(self.client.execute_command(*args))

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        pool = self.client.connection_pool  # the lease, where there is one
        connection = await done(pool.get_connection())
        try:
            yield connection
        finally:
            await done(pool.release(connection))

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        wait_until = (tasks if is_of_tasks(self.pool) else threads).wait_until
        await done(wait_until(condition))


class RawBorrower(Borrower):
    """Has the connection in hand from the beginning to the end."""

    def __init__(self, pool: Any, connection: Any) -> None:
        super().__init__(pool, client_of(pool))
        self._connection = connection

    async def do(self, *args: Any) -> Any:
        await done(self._connection.send_command(*args))
        return await done(self._connection.read_response())

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        yield self._connection


@asynccontextmanager
async def by_command(pool: Any) -> AsyncIterator[Borrower]:
    """Borrow anew for each command and each pipeline."""
    yield Borrower(pool, client_of(pool))


@asynccontextmanager
async def by_lease(pool: Any) -> AsyncIterator[Borrower]:
    """Keep one connection for the whole block."""
    lease = pool.lease(HOLDER)
    try:
        yield Borrower(pool, lease.client())
    finally:
        lease.end()


@asynccontextmanager
async def by_hand(pool: Any) -> AsyncIterator[Borrower]:
    """Call get_connection() and release(), as libraries do."""
    connection = await done(pool.get_connection())
    try:
        yield RawBorrower(pool, connection)
    finally:
        await done(pool.release(connection))


@contextmanager
def pinned(pool: Any) -> Iterator[redis.Redis]:
    """Return a client that keeps one connection: a lease, or what redis-py has for one."""
    if isinstance(pool, RedisPool):
        with pool.lease(HOLDER) as client:
            yield client
        return
    client = redis.Redis(connection_pool=pool, single_connection_client=True)
    try:
        yield client
    finally:
        client.close()


WAYS: dict[str, Callable[[Any], AbstractAsyncContextManager[Borrower]]] = {
    "command": by_command,
    "lease": by_lease,
    "raw": by_hand,
}
