"""What each method of the cache sends, and what it makes of the answer; waits for nothing.

An operation is a generator: it yields a command, or a list of them for one round trip, and
is sent the answer. Who runs it, a thread or a task, does the waiting (`backend`).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

from .keys import names_of, pattern_for
from .options import Options, read_options
from .values import Values

__all__ = ["Command", "Operation", "Operations", "T"]

T = TypeVar("T")

Command = tuple[Any, ...]
Operation = Generator[Command | list[Command], Any, T]

# Redis creates what it is to count, and then keeps it for good; Django wants a ValueError.
# The result is read again as text: Lua's numbers are exact up to 2**53 only.
_INCR = """\
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
redis.call('INCRBY', KEYS[1], ARGV[1])
return redis.call('GET', KEYS[1])"""

_RENAME = """\
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('RENAME', KEYS[1], KEYS[2])
return 1"""

# Keys that the server looks at in one step of a search.
PAGE = 1000

# A key that Django has nothing to say about. It looks at each letter, which for the keys of a
# cached page takes as long as all else that is done here.
_ORDINARY_KEY = re.compile(r"[^\x00-\x20\x7f]{,250}")


class Operations(BaseCache):
    """The part of the cache that knows Redis' commands."""

    def __init__(self, location: object, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._entry = location, params

    @cached_property
    def _options(self) -> Options:
        """What the entry says, read at the first use.

        Django's own checks make every cache: an error from there would be a traceback in the
        place of all that `manage.py check` has to say, our own check of `CACHES` among it.
        """
        return read_options(*self._entry)

    @cached_property
    def alias(self) -> str:
        """The pool's, in `REDIS_POOLS`. Raises `InvalidCacheBackendError` for a wrong entry."""
        return self._options.alias

    @cached_property
    def _values(self) -> Values:
        return self._options.values

    def get_backend_timeout(self, timeout: Any = DEFAULT_TIMEOUT) -> float | None:
        """Return the seconds to keep something, with their fraction; None: for good."""
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        return None if timeout is None else max(0, timeout)

    def validate_key(self, key: str) -> None:
        """Warn about a key that memcached would refuse, as Django does."""
        if not _ORDINARY_KEY.fullmatch(key):
            super().validate_key(key)

    def _milliseconds(self, timeout: Any) -> int | None:
        seconds = self.get_backend_timeout(timeout)
        if seconds is None:
            return None
        return max(round(seconds * 1000), 1 if seconds else 0)  # a little is not nothing

    def _set_command(self, key: str, value: Any, milliseconds: int | None) -> Command:
        lifetime = () if milliseconds is None else ("PX", milliseconds)
        return ("SET", key, self._values.dump(value), *lifetime)

    # -- one key -------------------------------------------------------------------------

    def _get(self, key: Any, default: Any, version: Any) -> Operation[Any]:
        data = yield "GET", self.make_and_validate_key(key, version)
        return default if data is None else self._values.load(data)

    def _set(
        self, key: Any, value: Any, timeout: Any, version: Any, only: tuple[str, ...] = ()
    ) -> Operation[bool]:
        name, milliseconds = self.make_and_validate_key(key, version), self._milliseconds(timeout)
        command = self._set_command(name, value, milliseconds)
        if milliseconds == 0:
            return (yield from self._set_for_no_time(name, only))
        return bool((yield *command, *only))

    def _set_for_no_time(self, name: str, only: tuple[str, ...]) -> Operation[bool]:
        """Leave what a value would that is stored, and over at once."""
        if "NX" in only:  # there is one, and it stays; or there is none, and it stays so
            return not (yield "EXISTS", name)
        gone = yield "UNLINK", name
        return bool(gone) if "XX" in only else True

    def _touch(self, key: Any, timeout: Any, version: Any) -> Operation[bool]:
        name, milliseconds = self.make_and_validate_key(key, version), self._milliseconds(timeout)
        if milliseconds is None:
            # PERSIST says no also of a key that is there for good already.
            return bool((yield [("PERSIST", name), ("EXISTS", name)])[-1])
        return bool((yield "PEXPIRE", name, milliseconds))

    def _delete(self, key: Any, version: Any) -> Operation[bool]:
        return bool((yield "UNLINK", self.make_and_validate_key(key, version)))

    def _has_key(self, key: Any, version: Any) -> Operation[bool]:
        return bool((yield "EXISTS", self.make_and_validate_key(key, version)))

    def _incr(self, key: Any, delta: int, version: Any) -> Operation[int]:
        number = yield "EVAL", _INCR, 1, self.make_and_validate_key(key, version), delta
        if number is None:
            raise ValueError(f"Key {key!r} not found")
        return int(number)

    def _incr_version(self, key: Any, delta: int, version: Any) -> Operation[int]:
        before = self.version if version is None else version
        old = self.make_and_validate_key(key, before)
        new = self.make_and_validate_key(key, before + delta)
        if not (yield "EVAL", _RENAME, 2, old, new):
            raise ValueError(f"Key {key!r} not found")
        return before + delta

    def _ttl(self, key: Any, version: Any, unit: int) -> Operation[int | None]:
        left = yield "PTTL", self.make_and_validate_key(key, version)
        # -1: there for good, -2: not there
        return None if left == -1 else 0 if left == -2 else -(-left // unit)

    def _persist(self, key: Any, version: Any) -> Operation[bool]:
        return bool((yield "PERSIST", self.make_and_validate_key(key, version)))

    # -- many keys -------------------------------------------------------------------------

    def _get_many(self, keys: Iterable[Any], version: Any) -> Operation[dict[Any, Any]]:
        names = {self.make_and_validate_key(key, version): key for key in keys}
        if not names:
            return {}
        found = yield "MGET", *names
        load = self._values.load
        return {
            key: load(data)
            for key, data in zip(names.values(), found, strict=True)
            if data is not None
        }

    def _set_many(
        self, data: Mapping[Any, Any], timeout: Any, version: Any
    ) -> Operation[list[Any]]:
        milliseconds = self._milliseconds(timeout)
        if milliseconds == 0:
            yield from self._delete_many(data, version)
            return []
        commands: list[Command] = [
            self._set_command(self.make_and_validate_key(key, version), value, milliseconds)
            for key, value in data.items()
        ]
        if commands:
            yield commands
        return []  # Django's backends return the keys that failed; here that raises

    def _delete_many(self, keys: Iterable[Any], version: Any) -> Operation[None]:
        names = [self.make_and_validate_key(key, version) for key in keys]
        if names:
            yield "UNLINK", *names

    # -- keys that are looked for -----------------------------------------------------------

    def _page(
        self, search: str, version: Any, cursor: int, size: int | None
    ) -> Operation[tuple[int, list[str]]]:
        """Return one step of a search: where to go on (0: it is over), and names."""
        pattern = pattern_for(self, search, version)
        cursor, keys = yield _scan(cursor, pattern, size)
        return cursor, names_of(self, keys, version)

    def _delete_all(self, pattern: str, size: int | None = None) -> Operation[int]:
        """Return how many keys were deleted."""
        cursor, gone = 0, 0
        while True:
            cursor, keys = yield _scan(cursor, pattern, size)
            if keys:
                gone += yield "UNLINK", *keys
            if not cursor:
                return gone


def _scan(cursor: int, pattern: str, size: int | None) -> Command:
    return "SCAN", cursor, "MATCH", pattern, "COUNT", size or PAGE
