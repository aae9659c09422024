"""A cache whose methods are run by their asynchronous twins, for tests that both have to pass."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync

__all__ = ["Awaited"]


class Awaited:
    """Looks like `cache`; `get` is `await cache.aget`, in an event loop of its own."""

    def __init__(self, cache: Any) -> None:
        vars(self)["_cache"] = cache

    def __getattr__(self, name: str) -> Any:
        twin = getattr(self._cache, f"a{name}", None)
        return getattr(self._cache, name) if twin is None else async_to_sync(twin)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._cache, name, value)

    def __contains__(self, key: str) -> bool:
        return bool(async_to_sync(self._cache.ahas_key)(key))

    def iter_keys(self, *args: Any, **options: Any) -> Any:
        async def collect() -> list[str]:
            return [name async for name in self._cache.aiter_keys(*args, **options)]

        return iter(async_to_sync(collect)())
