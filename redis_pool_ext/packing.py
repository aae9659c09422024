"""Packing commands so that a signal cannot crash the interpreter.

hiredis 3.5 turns numbers into text with `PyObject_Repr`, which runs signal handlers, and
does not look whether that failed: a handler that raises there (a worker's time limit, an
alarm) ends the process with a segmentation fault. Numbers that are text already never get
that far.
"""

from __future__ import annotations

from typing import Any

__all__ = ["NumbersAsText"]


class NumbersAsText:
    """A serializer in front of redis-py's for hiredis; packs the same bytes."""

    def __init__(self, serializer: Any) -> None:
        self._pack = serializer.pack

    def pack(self, *args: Any) -> Any:
        """Pack one command. Raises `redis.DataError` for what cannot be packed."""
        for arg in args:
            if type(arg) in _NUMBERS:
                return self._pack(*map(_as_text, args))
        return self._pack(*args)


# These types exactly, as in hiredis: it refuses bool and other subclasses.
_NUMBERS = frozenset((int, float))


def _as_text(arg: Any) -> Any:
    return repr(arg) if type(arg) in _NUMBERS else arg
