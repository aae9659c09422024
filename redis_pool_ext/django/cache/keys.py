"""Which keys are a cache's own, for those operations that look for keys.

A `KEY_FUNCTION` is somebody's code, and cannot be turned round. It is asked for the key of
nothing: where every key begins with that, as with Django's own function, the rest is the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.core.cache.backends.base import BaseCache

__all__ = ["all_of", "names_of", "pattern_for"]

_SPECIAL = re.compile(r"([\\*?\[\]])")
_ANY = "any-version-there-is"
_PROBE = "a name"


def pattern_for(cache: BaseCache, search: str, version: Any = None) -> str:
    """Return the glob that finds the keys with these names (a glob, too) in one version."""
    return _escaped(_beginning(cache, version)) + search


def all_of(cache: BaseCache) -> str:
    """Return the glob that finds all keys of the cache, of each version."""
    beginning = _escaped(_beginning(cache, _ANY))
    # Versions are whole numbers to Django; some other program's "prefix:text:" is not ours.
    any_version = "[-0-9]*" if isinstance(cache.version, int) else "*"
    return beginning.replace(_ANY, any_version) + "*"


def names_of(cache: BaseCache, keys: Iterable[bytes | str], version: Any = None) -> list[str]:
    """Return the names that keys of one version were made of."""
    length = len(_beginning(cache, version))
    return [(key if isinstance(key, str) else key.decode())[length:] for key in keys]


def _beginning(cache: BaseCache, version: Any) -> str:
    beginning: str = cache.make_key("", version)
    if cache.make_key(_PROBE, version) != beginning + _PROBE:
        raise ValueError(
            "keys cannot be looked for with a KEY_FUNCTION that does more than to put something "
            "in front of the name; delete them by their names, or use a VERSION"
        )
    return beginning


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
