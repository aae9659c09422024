"""Packing commands: quickly where they are ordinary, and never so that a signal crashes.

hiredis 3.5 turns numbers into text with `PyObject_Repr`, which runs signal handlers, and
does not look whether that failed: a handler that raises there (a worker's time limit, an
alarm) ends the process with a segmentation fault. Numbers that are text already never get
that far.
"""

from __future__ import annotations

from typing import Any

import redis.connection

from .sticky import TWO_WORDS, Effect, effect

__all__ = ["NumbersAsText", "pack_ordinary"]

# An option of redis-py's; without it no command is ordinary.
_hiredis: Any = getattr(redis.connection, "hiredis", None)

# These types exactly, as in hiredis: it refuses bool and other subclasses.
_NUMBERS = frozenset((int, float))
_TEXTS = frozenset((str, bytes))
_TEXTS_AND_NUMBERS = _TEXTS | _NUMBERS

# The words of each command that leaves nothing behind on its connection, by the spelling
# that redis-py's methods use: none where it is one word as it stands. None for any other
# first argument that was seen.
_words: dict[Any, tuple[bytes, ...] | None] = {}
_WORDS_MAX = 1024


class NumbersAsText:
    """A serializer in front of redis-py's for hiredis; packs the same bytes."""

    def __init__(self, serializer: Any) -> None:
        self._pack = serializer.pack

    def pack(self, *args: Any) -> Any:
        """Pack one command. Raises `redis.DataError` for what cannot be packed."""
        for arg in args[1:]:  # a number for a name is redis-py's to refuse
            if type(arg) in _NUMBERS:
                return self._pack(args[0], *map(_as_text, args[1:]))
        return self._pack(*args)


def pack_ordinary(args: tuple[Any, ...]) -> bytes | None:
    """Pack a command that leaves nothing behind, and has ordinary arguments.

    None: it is another one, or cannot be packed; redis-py's serializer is to have it.
    """
    try:
        words = _words[args[0]]
    except (KeyError, IndexError, TypeError):  # new, none, or not hashable
        words = _learn(args)
    if words is None:
        return None
    for arg in args:
        if type(arg) not in _TEXTS:
            if not _TEXTS_AND_NUMBERS.issuperset(map(type, args)):
                return None
            args = tuple(map(_as_text, args))
            break
    if words:
        args = (*words, *args[1:])
    try:
        packed: bytes = _hiredis.pack_command(args)
    except (TypeError, ValueError):  # text that has no UTF-8: redis-py's own error, please
        return None
    return packed


def _learn(args: tuple[Any, ...]) -> tuple[bytes, ...] | None:
    """Look at a first argument that was not seen before."""
    name = args[0] if args else None
    if type(name) is not str or len(_words) >= _WORDS_MAX:
        return None
    words = _words[name] = _words_of(name) if _is_ordinary(name) else None
    return words


def _is_ordinary(name: str) -> bool:
    # Spaces around a name are not sent: "SCRIPT " has its second word still to come, too.
    if _hiredis is None or name.strip() in ("", *TWO_WORDS):
        return False
    # redis-py rewrites HIMPORT, and finds callbacks for names in lower case, too.
    is_plain = name.isascii() and name == name.upper() and not name.startswith("HIMPORT")
    return is_plain and effect((name,)) is Effect.NONE


def _words_of(name: str) -> tuple[bytes, ...]:
    words = tuple(name.encode().split())
    return () if words == (name.encode(),) else words


def _as_text(arg: Any) -> Any:
    return repr(arg) if type(arg) in _NUMBERS else arg
