"""One entry of `CACHES`, read once; what is wrong with it names the setting and the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from django.core.cache import InvalidCacheBackendError
from django.utils.module_loading import import_string

from ...problems import ConfigError, Problem, did_you_mean, shown
from .values import COMPRESSORS, SERIALIZERS, Compressor, Values

__all__ = ["Options", "find_problems", "read_options"]

# Bytes. What fits into one packet with its command gets no quicker by being smaller.
COMPRESS_MIN_LENGTH = 1024

KNOWN = ("SERIALIZER", "COMPRESSOR", "COMPRESS_MIN_LENGTH")

# What pip has, and Python has not.
_EXTRAS = ("lz4", "msgpack", "zstd")
_NOT_BUILT_IN = "this Python was built without it: choose another one"

# What other backends have here.
_ELSEWHERE = {
    "MAX_ENTRIES": "Redis itself evicts: set maxmemory and maxmemory-policy there",
    "CULL_FREQUENCY": "Redis itself evicts: set maxmemory and maxmemory-policy there",
    "CLIENT_CLASS": "leave it out",
    "CONNECTION_POOL_CLASS": "leave it out: the pool is the one of REDIS_POOLS",
    "CONNECTION_POOL_KWARGS": "they belong into OPTIONS in REDIS_POOLS, max_connections beside it",
    "IGNORE_EXCEPTIONS": "leave it out: a pool without a free connection is answered with 503",
    "PASSWORD": "it is a part of the URL in REDIS_POOLS",
}


class Options(NamedTuple):
    """What an entry of `CACHES` says, beside Django's own keys."""

    alias: str
    values: Values


def read_options(location: object, params: Mapping[str, Any]) -> Options:
    """Read LOCATION and OPTIONS. Raises `InvalidCacheBackendError` with every problem."""
    # Django does not tell a backend what its own name is.
    reader = _Reader("CACHES[...]")
    found = reader.read(location, params.get("OPTIONS", {}))
    if reader.problems:
        raise InvalidCacheBackendError(str(ConfigError(reader.problems)))
    return found


def find_problems(alias: str, entry: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with the entry of `CACHES` that has this name."""
    reader = _Reader(f"CACHES[{alias!r}]")
    reader.read(entry.get("LOCATION", ""), entry.get("OPTIONS", {}))
    return reader.problems


class _Reader:
    """Reads one entry, and collects what is wrong with it."""

    def __init__(self, entry: str) -> None:
        self.problems: list[Problem] = []
        self._entry = entry

    def read(self, location: object, options: object) -> Options:
        if not isinstance(options, Mapping):
            hint = "give one, as in {'SERIALIZER': 'json'}, or leave it out"
            self._add("['OPTIONS']", f"{shown(options)} is not a mapping", hint)
            options = {}
        for name in options:
            if name not in KNOWN:
                self._add(f"['OPTIONS'][{shown(name)}]", "is not an option", _meant(name))
        serializer = self._made("SERIALIZER", options.get("SERIALIZER", "pickle"), SERIALIZERS)
        compressor = self._made("COMPRESSOR", options.get("COMPRESSOR"), COMPRESSORS)
        return Options(
            self._alias(location),
            Values(
                self._checked_serializer(serializer),
                self._checked_compressor(compressor),
                self._length(options.get("COMPRESS_MIN_LENGTH", COMPRESS_MIN_LENGTH)),
            ),
        )

    def _add(self, path: str, message: str, hint: str) -> None:
        self.problems.append(Problem("E011", self._entry + path, message, hint))

    def _alias(self, location: object) -> str:
        if isinstance(location, str) and "://" not in location:
            return location or "default"
        hint = "name an entry of REDIS_POOLS, whose URL says where the server is"
        self._add("['LOCATION']", f"{shown(location)} is not an alias", hint)
        return "default"

    def _checked_serializer(self, made: Any) -> Any:
        is_one = all(callable(getattr(made, name, None)) for name in ("dumps", "loads"))
        if made is not None and not is_one:
            hint = "give a class, an object or a path to one that has both"
            self._add(
                "['OPTIONS']['SERIALIZER']", f"{shown(made)} has no dumps() and loads()", hint
            )
        return made

    def _checked_compressor(self, made: Any) -> Compressor | None:
        if made is None or isinstance(made, Compressor):
            return made
        hint = f"give one of {', '.join(sorted(COMPRESSORS))}"
        self._add("['OPTIONS']['COMPRESSOR']", f"{shown(made)} is not a compressor", hint)
        return None

    def _length(self, value: Any) -> int:
        if type(value) is int and value >= 0:
            return value
        hint = "give a whole number from 0 up"
        message = f"{shown(value)} is not a number of bytes"
        self._add("['OPTIONS']['COMPRESS_MIN_LENGTH']", message, hint)
        return 0

    def _made(self, name: str, value: Any, known: Mapping[str, Callable[[], Any]]) -> Any:
        """Return what a name in the table, a dotted path, a class or an object stands for."""
        path = f"['OPTIONS'][{name!r}]"
        try:
            if isinstance(value, str):
                value = known.get(value) or import_string(value)
            # A Compressor is a tuple, and calls nothing.
            return value() if callable(value) else value
        except ImportError as error:
            self._add(path, *_not_there(value, known, error))
            return None


def _not_there(value: Any, known: Mapping[str, Any], error: ImportError) -> tuple[str, str]:
    """Return what is wrong with a name that leads nowhere, and the way out."""
    for name, made in known.items():
        if made is value:  # the table's own, without its library
            way_out = f"pip install 'redis-pool-ext[{name}]'" if name in _EXTRAS else _NOT_BUILT_IN
            return f"{name!r} needs a library that is not installed", way_out
    hint = f"known are {', '.join(sorted(known))}{did_you_mean(value, known)}"
    return f"{shown(value)} cannot be imported ({error})", hint


def _meant(name: object) -> str:
    """Tell somebody who wrote this option what may have been meant."""
    return _ELSEWHERE.get(str(name)) or (
        f"known are {', '.join(KNOWN)}{did_you_mean(str(name).upper(), KNOWN)}"
    )
