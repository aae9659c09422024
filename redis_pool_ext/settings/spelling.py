"""How settings are spelled, place by place, and what may have been meant by a wrong spelling."""

from __future__ import annotations

from ..problems import did_you_mean, shown
from .rules import POOL_RULES, REDIS_PY_ARGUMENTS

__all__ = ["KEYS", "UNKNOWN", "InCall", "InMapping", "hint_for_key", "hint_for_query"]

KEYS = ("URL", *(name.upper() for name in POOL_RULES), "OPTIONS")

# What other libraries' settings have beside a URL, or in its place.
_IN_URL = ("LOCATION", "HOST", "PORT", "DB", "USER", "USERNAME", "PASSWORD", "UNIX_SOCKET_PATH")

UNKNOWN = "is not an argument of the pool or of redis-py's connection"


class InMapping:
    """How an entry of `REDIS_POOLS` spells its settings; `entry` is its own path."""

    unknown_option = "is not an argument of redis-py's connection"

    def __init__(self, entry: str, *, is_url_alone: bool) -> None:
        self._entry = entry
        self.url: str = entry if is_url_alone else f"{entry}['URL']"

    def setting(self, name: str) -> str:
        """Return the path of one of the pool's own settings."""
        return f"{self._entry}[{name.upper()!r}]"

    def option(self, name: object) -> str:
        """Return the path of an argument for redis-py."""
        return f"{self._entry}['OPTIONS'][{shown(name)}]"

    def hint_for_option(self, name: str, known: frozenset[str]) -> str:
        """Tell somebody who wrote this into OPTIONS what may have been meant."""
        if name.lower() in POOL_RULES:
            return f"it is the pool's: write {name.upper()} beside URL"
        return f"OPTIONS holds redis-py's own names{did_you_mean(name.lower(), known)}"


class InCall:
    """How a call of `RedisPool.from_url(url, **arguments)` spells them."""

    unknown_option = UNKNOWN
    url = "url"

    def setting(self, name: str) -> str:
        """Return the name of one of the pool's own arguments."""
        return name

    def option(self, name: object) -> str:
        """Return the name of an argument for redis-py."""
        return str(name)

    def hint_for_option(self, name: str, known: frozenset[str]) -> str:
        """Tell somebody who wrote this argument what may have been meant."""
        return f"write names as redis-py does{did_you_mean(name.lower(), {*known, *POOL_RULES})}"


def hint_for_key(key: object) -> str:
    """Tell somebody who wrote this key beside URL what may have been meant."""
    name = str(key)
    if name.upper() in _IN_URL:
        return "it is a part of URL, as in redis://user:password@host:6379/0"
    if name.upper() == "BACKEND":
        return "it belongs into Django's CACHES"
    if name.lower() in REDIS_PY_ARGUMENTS:
        return f"it is redis-py's: put it into OPTIONS as {name.lower()!r}"
    return f"known are {', '.join(KEYS)}{did_you_mean(name.upper(), KEYS)}"


def hint_for_query(name: str, known: frozenset[str]) -> str:
    """Tell somebody who wrote this into a URL's query what may have been meant."""
    return f"see the pool's and redis-py's names{did_you_mean(name.lower(), {*known, *POOL_RULES})}"
