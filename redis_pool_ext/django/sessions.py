"""Sessions in the cache: `SESSION_ENGINE = "redis_pool_ext.django.sessions"`.

Django's own engine takes every error of the cache for a session that is not there. Its visitor
is a stranger then, and the answer deletes the cookie: whoever came while the pool was exhausted,
or Redis away for a moment, has to log in again.
"""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends import cache

__all__ = ["SessionStore"]


class SessionStore(cache.SessionStore):
    """Django's, under the same keys, with a `load` that raises what the cache raises.

    With a cache on our pool that becomes a 503, and the session is as it was.
    """

    _cache: Any  # Django's own, which its type stubs leave out

    def load(self) -> dict[str, Any]:
        """Return what is stored, and nothing for a session that has ended."""
        return self._found(self._cache.get(self.cache_key))

    async def aload(self) -> dict[str, Any]:
        """Do the same as `load`, for coroutines."""
        return self._found(await self._cache.aget(await self.acache_key()))

    def _found(self, stored: dict[str, Any] | None) -> dict[str, Any]:
        if stored is None:
            self._session_key = None  # a stranger is given a new one
            return {}
        return stored
