"""`RedisPoolCache`: Django's methods, for threads and for coroutines.

Each method is an operation that is run. In a request it runs on the request's lease, which it
shares with the views; elsewhere on a lease of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from redis.lock import Lock

from ...aio.loops import get_async_pool
from ...cluster.pool import ClusterPool
from ...process import client_of, get_pool
from ...scope import current_scope
from .across_nodes import across_nodes
from .keys import all_of, pattern_for
from .operations import Operation, Operations, T
from .running import arun, options_for, run

__all__ = ["RedisPoolCache"]


class RedisPoolCache(Operations):
    """`CACHES = {"default": {"BACKEND": "redis_pool_ext.django.cache.RedisPoolCache"}}`.

    `LOCATION` is an alias of `REDIS_POOLS`, "default" if there is none. `OPTIONS`:
    `SERIALIZER` ("pickle", "json", "msgpack", or a class with `dumps` and `loads`),
    `COMPRESSOR` ("zlib", "gzip", "bz2", "lzma", "lz4", "zstd") for values of
    `COMPRESS_MIN_LENGTH` bytes (1024) and more.

    Beside Django's methods it has those of django-redis that look for keys and lifetimes.
    All of them raise what a command raises: `PoolExhaustedError` and its like become a 503.
    Timeouts are seconds, and may have fractions.
    """

    # -- how an operation is run -----------------------------------------------------------

    def _do(self, operation: Operation[T]) -> T:
        pool, scope = get_pool(self.alias), current_scope()
        if scope is not None:
            return self._run(operation, pool, scope.client(pool))
        with pool.lease(self) as client:
            return self._run(operation, pool, client)

    def _run(self, operation: Operation[T], pool: Any, client: Any) -> T:
        if isinstance(pool, ClusterPool):
            operation = across_nodes(operation, client.get_primaries())
        return run(operation, client, options_for(pool))

    async def _ado(self, operation: Operation[T]) -> T:
        pool, scope = get_async_pool(self.alias), current_scope()
        if scope is not None:
            return await arun(operation, scope.client(pool), options_for(pool))
        async with pool.lease(self) as client:
            return await arun(operation, client, options_for(pool))

    def __str__(self) -> str:
        # The name of a lease outside of a request, in reports.
        return f'the cache on "{self.alias}"'

    # -- Django's methods ------------------------------------------------------------------

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None
    ) -> bool:
        """Set a value if the key is not there; return whether it was set."""
        return self._do(self._set(key, value, timeout, version, ("NX",)))

    async def aadd(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None
    ) -> bool:
        """Do the same as `add`, for coroutines."""
        return await self._ado(self._set(key, value, timeout, version, ("NX",)))

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        """Return the value, or `default`."""
        return self._do(self._get(key, default, version))

    async def aget(self, key: Any, default: Any = None, version: Any = None) -> Any:
        """Do the same as `get`, for coroutines."""
        return await self._ado(self._get(key, default, version))

    def set(  # type: ignore[override]  # noqa: PLR0913  as in django-redis
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: Any = None,
        *,
        nx: bool = False,
        xx: bool = False,
    ) -> bool:
        """Set a value, and return True; False where there is one (`nx`), or none (`xx`)."""
        return self._do(self._set(key, value, timeout, version, _only(nx, xx)))

    async def aset(  # type: ignore[override]  # noqa: PLR0913
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: Any = None,
        *,
        nx: bool = False,
        xx: bool = False,
    ) -> bool:
        """Do the same as `set`, for coroutines."""
        return await self._ado(self._set(key, value, timeout, version, _only(nx, xx)))

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> bool:
        """Keep a value for so long from now; return whether there is one."""
        return self._do(self._touch(key, timeout, version))

    async def atouch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> bool:
        """Do the same as `touch`, for coroutines."""
        return await self._ado(self._touch(key, timeout, version))

    def delete(self, key: Any, version: Any = None) -> bool:
        """Delete a value; return whether there was one."""
        return self._do(self._delete(key, version))

    async def adelete(self, key: Any, version: Any = None) -> bool:
        """Do the same as `delete`, for coroutines."""
        return await self._ado(self._delete(key, version))

    def has_key(self, key: Any, version: Any = None) -> bool:
        """Tell whether there is a value."""
        return self._do(self._has_key(key, version))

    async def ahas_key(self, key: Any, version: Any = None) -> bool:
        """Do the same as `has_key`, for coroutines."""
        return await self._ado(self._has_key(key, version))

    def incr(self, key: Any, delta: int = 1, version: Any = None) -> int:
        """Add to a whole number, in one step; raises `ValueError` if there is none."""
        return self._do(self._incr(key, delta, version))

    async def aincr(self, key: Any, delta: int = 1, version: Any = None) -> int:
        """Do the same as `incr`, for coroutines."""
        return await self._ado(self._incr(key, delta, version))

    def incr_version(self, key: Any, delta: int = 1, version: Any = None) -> int:
        """Move a value to another version, its lifetime with it; return that version.

        Raises `ValueError` if there is none.
        """
        return self._do(self._incr_version(key, delta, version))

    async def aincr_version(self, key: Any, delta: int = 1, version: Any = None) -> int:
        """Do the same as `incr_version`, for coroutines."""
        return await self._ado(self._incr_version(key, delta, version))

    def get_many(self, keys: Iterable[Any], version: Any = None) -> dict[Any, Any]:
        """Return the values that there are, by key, in one round trip."""
        return self._do(self._get_many(keys, version))

    async def aget_many(self, keys: Iterable[Any], version: Any = None) -> dict[Any, Any]:
        """Do the same as `get_many`, for coroutines."""
        return await self._ado(self._get_many(keys, version))

    def set_many(
        self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: Any = None
    ) -> list[Any]:
        """Set all of them, in one round trip; return an empty list: what fails raises."""
        return self._do(self._set_many(data, timeout, version))

    async def aset_many(
        self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: Any = None
    ) -> list[Any]:
        """Do the same as `set_many`, for coroutines."""
        return await self._ado(self._set_many(data, timeout, version))

    def delete_many(self, keys: Iterable[Any], version: Any = None) -> None:
        """Delete all of them, in one round trip."""
        self._do(self._delete_many(keys, version))

    async def adelete_many(self, keys: Iterable[Any], version: Any = None) -> None:
        """Do the same as `delete_many`, for coroutines."""
        await self._ado(self._delete_many(keys, version))

    def clear(self) -> None:
        """Delete what this cache has stored, in each version, and nothing else in the database."""
        self._do(self._delete_all(all_of(self)))

    async def aclear(self) -> None:
        """Do the same as `clear`, for coroutines."""
        await self._ado(self._delete_all(all_of(self)))

    # -- as django-redis has them ----------------------------------------------------------

    def iter_keys(
        self, search: str, itersize: int | None = None, version: Any = None
    ) -> Iterator[str]:
        """Yield the names that match a glob; the server looks at `itersize` keys at a time.

        One that is set or deleted meanwhile may be missed, or come twice.
        """
        cursor, names = self._do(self._page(search, version, 0, itersize))
        yield from names
        while cursor:
            cursor, names = self._do(self._page(search, version, cursor, itersize))
            yield from names

    async def aiter_keys(
        self, search: str, itersize: int | None = None, version: Any = None
    ) -> AsyncIterator[str]:
        """Do the same as `iter_keys`, for `async for`."""
        cursor, names = await self._ado(self._page(search, version, 0, itersize))
        while True:
            for name in names:
                yield name
            if not cursor:
                return
            cursor, names = await self._ado(self._page(search, version, cursor, itersize))

    def keys(self, search: str, version: Any = None) -> list[str]:
        """Return the names that match a glob, each once."""
        return list(dict.fromkeys(self.iter_keys(search, version=version)))

    async def akeys(self, search: str, version: Any = None) -> list[str]:
        """Do the same as `keys`, for coroutines."""
        found = [name async for name in self.aiter_keys(search, version=version)]
        return list(dict.fromkeys(found))

    def lock(self, key: Any, version: Any = None, **options: Any) -> Lock:
        """Return redis-py's lock under this name; in a request it stays on the lease.

        `options` are those of `redis.Redis.lock`: `timeout`, `sleep`, `blocking_timeout`, ...
        """
        name = self.make_and_validate_key(key, version)
        lock: Lock = client_of(get_pool(self.alias)).lock(name, **options)
        return lock

    def delete_pattern(self, pattern: str, version: Any = None, itersize: int | None = None) -> int:
        """Delete the keys that match a glob, as in `user:*`; return how many there were."""
        return self._do(self._delete_all(pattern_for(self, pattern, version), itersize))

    async def adelete_pattern(
        self, pattern: str, version: Any = None, itersize: int | None = None
    ) -> int:
        """Do the same as `delete_pattern`, for coroutines."""
        return await self._ado(self._delete_all(pattern_for(self, pattern, version), itersize))

    def ttl(self, key: Any, version: Any = None) -> int | None:
        """Return the seconds that a value has left; None: for good, 0: there is none."""
        return self._do(self._ttl(key, version, 1000))

    async def attl(self, key: Any, version: Any = None) -> int | None:
        """Do the same as `ttl`, for coroutines."""
        return await self._ado(self._ttl(key, version, 1000))

    def pttl(self, key: Any, version: Any = None) -> int | None:
        """Return the milliseconds that a value has left; None: for good, 0: there is none."""
        return self._do(self._ttl(key, version, 1))

    async def apttl(self, key: Any, version: Any = None) -> int | None:
        """Do the same as `pttl`, for coroutines."""
        return await self._ado(self._ttl(key, version, 1))

    def persist(self, key: Any, version: Any = None) -> bool:
        """Keep a value for good; return whether it had an end before."""
        return self._do(self._persist(key, version))

    async def apersist(self, key: Any, version: Any = None) -> bool:
        """Do the same as `persist`, for coroutines."""
        return await self._ado(self._persist(key, version))

    def expire(self, key: Any, timeout: float, version: Any = None) -> bool:
        """Do the same as `touch`, by django-redis' name."""
        return self._do(self._touch(key, timeout, version))

    async def aexpire(self, key: Any, timeout: float, version: Any = None) -> bool:
        """Do the same as `expire`, for coroutines."""
        return await self._ado(self._touch(key, timeout, version))

    async def aclose(self, **_: Any) -> None:
        """Do nothing, as `close`: a request's connection goes back with its lease."""


def _only(nx: bool, xx: bool) -> tuple[str, ...]:
    return ("NX",) * nx + ("XX",) * xx
