"""How a connection is borrowed: the same three ways from our pool and from redis-py's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis

from redis_pool_ext import RedisPool

HOLDER = "GET /alice (views.alice)"


class Borrower:
    """The first borrower: a client on the pool, and the connection below it.

    `do` sends one command and reads its reply; `connection` lends the bare connection
    for what no client does.
    """

    def __init__(self, pool: Any, client: redis.Redis) -> None:
        self.pool, self.client = pool, client

    def do(self, *args: Any) -> Any:
        return self.client.execute_command(*args)

    @contextmanager
    def connection(self) -> Iterator[Any]:
        pool = self.client.connection_pool  # the lease, where there is one
        connection = pool.get_connection()
        try:
            yield connection
        finally:
            pool.release(connection)


class RawBorrower(Borrower):
    """Has the connection in hand from the beginning to the end."""

    def __init__(self, pool: Any, connection: Any) -> None:
        super().__init__(pool, redis.Redis(connection_pool=pool))
        self._connection = connection

    def do(self, *args: Any) -> Any:
        self._connection.send_command(*args)
        return self._connection.read_response()

    @contextmanager
    def connection(self) -> Iterator[Any]:
        yield self._connection


@contextmanager
def by_command(pool: Any) -> Iterator[Borrower]:
    """Borrow anew for each command and each pipeline."""
    yield Borrower(pool, redis.Redis(connection_pool=pool))


@contextmanager
def by_lease(pool: RedisPool) -> Iterator[Borrower]:
    """Keep one connection for the whole block."""
    with pool.lease(HOLDER) as client:
        yield Borrower(pool, client)


@contextmanager
def by_hand(pool: Any) -> Iterator[Borrower]:
    """Call get_connection() and release(), as libraries do."""
    connection = pool.get_connection()
    try:
        yield RawBorrower(pool, connection)
    finally:
        pool.release(connection)


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


WAYS: dict[str, Callable[[Any], Any]] = {
    "command": by_command,
    "lease": by_lease,
    "raw": by_hand,
}
