"""What the project's pools are used for, by its settings."""

from __future__ import annotations

from django.conf import settings
from django.utils.module_loading import import_string

from .cache import RedisPoolCache

__all__ = ["uses_of_pools"]

_ENGINES = ("redis_pool_ext.django.sessions", "django.contrib.sessions.backends.cache")


def uses_of_pools() -> dict[str, frozenset[str]]:
    """Return "cache", "sessions" or both, for each alias that is used for either."""
    uses: dict[str, set[str]] = {}
    for name, entry in settings.CACHES.items():
        try:
            backend = import_string(entry.get("BACKEND", ""))
        except ImportError:
            continue  # Django says so, when the cache is first used
        if isinstance(backend, type) and issubclass(backend, RedisPoolCache):
            found = uses.setdefault(entry.get("LOCATION") or "default", set())
            is_theirs = settings.SESSION_ENGINE in _ENGINES
            is_for_sessions = is_theirs and name == settings.SESSION_CACHE_ALIAS
            found.add("sessions" if is_for_sessions else "cache")
            if name == "default":
                found.add("cache")
    return {alias: frozenset(found) for alias, found in uses.items()}
