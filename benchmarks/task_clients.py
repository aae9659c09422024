"""The clients of tasks, each as its documentation sets it up, on a server over loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, closing
from functools import partial
from importlib.util import find_spec
from itertools import repeat
from typing import Any, NamedTuple

import hiredis
import redis.asyncio

from redis_pool_ext import AsyncRedisPool

from .one_loop import AsyncContender, Work

__all__ = [
    "BARE",
    "BARE_UNTIMED",
    "COREDIS",
    "GLIDE",
    "ONE_FOR_ALL",
    "OURS",
    "PINNED",
    "POOLED",
    "absent",
    "clients",
    "requests",
]

OURS = "redis_pool_ext, leased"
POOLED = "redis.asyncio, pooled"
PINNED = "redis.asyncio, pinned"
ONE_FOR_ALL = "redis.asyncio, one client for all"
COREDIS = "coredis"
GLIDE = "valkey-glide"
BARE = "bare streams + hiredis"
BARE_UNTIMED = "bare streams + hiredis, no timeout"

# Host, port and socket timeout, under the names that redis-py has for them.
Options = dict[str, Any]


class Guest(NamedTuple):
    """A client that need not be installed."""

    module: str
    open: Callable[[Options], AbstractAsyncContextManager[Work]]
    note: str


def clients(options: Options) -> list[AsyncContender]:
    """Return the ways to run many commands on a client that is there."""
    return [
        AsyncContender(
            OURS, partial(_ours_leased, options), "`async with pool.lease() as client`, once"
        ),
        AsyncContender(
            "redis_pool_ext, pooled",
            partial(_ours_pooled, options),
            "`pool.client`, which borrows a connection per command",
        ),
        AsyncContender(
            PINNED,
            partial(_pinned, options),
            "`Redis(connection_pool=pool, single_connection_client=True)`, once",
        ),
        AsyncContender(
            POOLED,
            partial(_pooled, redis.asyncio.ConnectionPool, options),
            "`Redis(connection_pool=pool)`",
        ),
        AsyncContender(
            "redis.asyncio, blocking pool",
            partial(_pooled, redis.asyncio.BlockingConnectionPool, options),
            "`Redis(connection_pool=BlockingConnectionPool(...))`",
        ),
        *(
            AsyncContender(name, partial(guest.open, options), guest.note)
            for name, guest in GUESTS.items()
            if name not in absent()
        ),
        AsyncContender(
            BARE,
            partial(_bare_streams, options, options["socket_timeout"]),
            "`open_connection`; pack, write, drain, read, feed and gets within "
            "`asyncio.timeout()`, which has the clients' socket timeout",
        ),
        AsyncContender(
            BARE_UNTIMED, partial(_bare_streams, options, None), "the same, and waits for ever"
        ),
    ]


def requests(options: Options) -> list[AsyncContender]:
    """Return the ways to come by a client, run one command, and be done."""
    return [
        AsyncContender(
            "redis_pool_ext, a lease",
            partial(_ours_per_request, options),
            "`async with pool.lease() as client`",
        ),
        AsyncContender(
            "redis.asyncio, a client per request",
            partial(_client_per_request, options, single_connection_client=False),
            "`async with Redis(connection_pool=pool) as client`, made anew each time on one pool",
        ),
        AsyncContender(
            "redis.asyncio, a pinned client per request",
            partial(_client_per_request, options, single_connection_client=True),
            "`async with Redis(connection_pool=pool, single_connection_client=True) as client`",
        ),
        AsyncContender(
            ONE_FOR_ALL,
            partial(_pooled, redis.asyncio.ConnectionPool, options),
            "`Redis(connection_pool=pool)`, made once: a connection per command, none per request",
        ),
    ]


def absent() -> list[str]:
    """Return the clients that are not installed here."""
    return [name for name, guest in GUESTS.items() if find_spec(guest.module) is None]


# -- how they do it ------------------------------------------------------------------------


async def _repeated(get: Callable[[str], Any]) -> Work:
    if await get("key") != b"hello":
        raise RuntimeError("the server does not answer as it should")

    async def work(number: int) -> None:
        for _ in repeat(None, number):
            await get("key")

    return work


@asynccontextmanager
async def _ours_leased(options: Options) -> AsyncIterator[Work]:
    async with AsyncRedisPool(**options) as pool, pool.lease() as client:
        yield await _repeated(client.get)


@asynccontextmanager
async def _ours_pooled(options: Options) -> AsyncIterator[Work]:
    async with AsyncRedisPool(**options) as pool:
        yield await _repeated(pool.client.get)


@asynccontextmanager
async def _pooled(pool_class: Callable[..., Any], options: Options) -> AsyncIterator[Work]:
    async with (
        aclosing(pool_class(**options)) as pool,
        redis.asyncio.Redis(connection_pool=pool) as client,
    ):
        yield await _repeated(client.get)


@asynccontextmanager
async def _pinned(options: Options) -> AsyncIterator[Work]:
    async with (
        aclosing(redis.asyncio.ConnectionPool(**options)) as pool,
        redis.asyncio.Redis(connection_pool=pool, single_connection_client=True) as client,
    ):
        yield await _repeated(client.get)


@asynccontextmanager
async def _ours_per_request(options: Options) -> AsyncIterator[Work]:
    async with AsyncRedisPool(**options) as pool:

        async def work(number: int) -> None:
            for _ in repeat(None, number):
                async with pool.lease() as client:
                    await client.get("key")

        yield work


@asynccontextmanager
async def _client_per_request(
    options: Options, *, single_connection_client: bool
) -> AsyncIterator[Work]:
    async with aclosing(redis.asyncio.ConnectionPool(**options)) as pool:

        async def work(number: int) -> None:
            for _ in repeat(None, number):
                async with redis.asyncio.Redis(
                    connection_pool=pool, single_connection_client=single_connection_client
                ) as client:
                    await client.get("key")

        yield work


@asynccontextmanager
async def _coredis(options: Options) -> AsyncIterator[Work]:
    import coredis

    async with coredis.Redis(
        host=options["host"], port=options["port"], stream_timeout=options["socket_timeout"]
    ) as client:
        yield await _repeated(client.get)


@asynccontextmanager
async def _glide(options: Options) -> AsyncIterator[Work]:
    import glide

    config = glide.GlideClientConfiguration(
        [glide.NodeAddress(options["host"], options["port"])],
        request_timeout=round(options["socket_timeout"] * 1_000),
    )
    async with await glide.GlideClient.create(config) as client:
        yield await _repeated(client.get)


GUESTS = {
    COREDIS: Guest(
        "coredis", _coredis, "`async with coredis.Redis(stream_timeout=...) as client`, once"
    ),
    GLIDE: Guest("glide", _glide, "`await GlideClient.create(...)` with a `request_timeout`, once"),
}


@asynccontextmanager
async def _bare_streams(options: Options, timeout: float | None) -> AsyncIterator[Work]:
    stream, writer = await asyncio.open_connection(options["host"], options["port"])
    write, drain, read = writer.write, writer.drain, stream.read
    pack: Any = hiredis.pack_command  # its types say less than it takes
    reader = hiredis.Reader()

    async def get(key: Any) -> Any:
        write(pack(("GET", key)))
        await drain()
        while (reply := reader.gets()) is False:  # there is not enough yet
            reader.feed(await read(65536))
        return reply

    async def get_in_time(key: Any) -> Any:
        async with asyncio.timeout(timeout):
            return await get(key)

    with closing(writer):
        yield await _repeated(get if timeout is None else get_in_time)
    await writer.wait_closed()
