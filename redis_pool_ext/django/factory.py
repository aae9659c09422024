"""django-redis on the process's pool: `DJANGO_REDIS_CONNECTION_FACTORY`.

`CACHES` keep their backend, their LOCATION and their data; only where the client comes from
changes. django-redis is not imported here: it asks for two methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ..config import PoolConfig, read_settings
from ..problems import shown
from ..shared import SharedRedis, shared_redis
from .handover import SETTING

__all__ = ["ConnectionFactory"]

# What says in django-redis how to connect, and is said in REDIS_POOLS now.
_MOVED = (
    "CONNECTION_POOL_CLASS",
    "CONNECTION_POOL_KWARGS",
    "PARSER_CLASS",
    "PASSWORD",
    "REDIS_CLIENT_CLASS",
    "REDIS_CLIENT_KWARGS",
    "SENTINELS",
    "SENTINEL_KWARGS",
    "SOCKET_CONNECT_TIMEOUT",
    "SOCKET_TIMEOUT",
    "USERNAME",
)

# An address, with what is left out in a URL.
Address = tuple[type[Any], Any, Any, Any]


class ConnectionFactory:
    """What django-redis asks for clients; each is one that finds its connection at each use.

    `DJANGO_REDIS_CONNECTION_FACTORY = "redis_pool_ext.django.factory.ConnectionFactory"`, or
    `CONNECTION_FACTORY` in the OPTIONS of one cache. LOCATION is an alias of `REDIS_POOLS`,
    or the URL that one of its entries has. Raises `ImproperlyConfigured` for a LOCATION that
    is neither, and for OPTIONS that belong into `REDIS_POOLS`.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        moved = sorted(name for name in _MOVED if options.get(name))
        if moved:
            raise ImproperlyConfigured(
                f"CACHES OPTIONS: {', '.join(moved)} would have no effect; how to connect is said "
                f"in {SETTING}: leave them out here, and give redis-py's arguments there"
            )

    def connect(self, url: str) -> SharedRedis:
        """Return the client for a LOCATION."""
        return shared_redis(_alias_of(url))

    def disconnect(self, connection: Any) -> None:
        """Do nothing (`DJANGO_REDIS_CLOSE_CONNECTION`): the connections are everybody's."""


def _alias_of(location: str) -> str:
    configs = read_settings(getattr(settings, SETTING, {}), SETTING)
    if location in configs:
        return location
    if "://" in location:
        found = [alias for alias, config in configs.items() if _is_there(location, config)]
        if len(found) == 1:
            return found[0]
    else:
        found = []
    said = f"CACHES LOCATION: {shown(location)}"
    if found:
        raise ImproperlyConfigured(
            f"{said} is the URL of {', '.join(found)} in {SETTING}: write the alias that is meant"
        )
    known = ", ".join(sorted(configs)) or "nothing"
    raise ImproperlyConfigured(
        f"{said} is no alias or URL of {SETTING}, which has {known}: add an entry for it there"
    )


def _is_there(location: str, config: PoolConfig) -> bool:
    """Tell whether a pool leads to the server and the database of a URL, as the user in it."""
    named = PoolConfig.from_url(location)
    return _address(named) == _address(config) and all(
        config.options.get(name) == named.options[name]
        for name in ("username", "password")
        if name in named.options
    )


def _address(config: PoolConfig) -> Address:
    options = config.options
    host = options.get("path") or options.get("host", "localhost")
    return config.connection_class, host, options.get("port", 6379), options.get("db", 0)
