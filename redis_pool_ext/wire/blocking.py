"""Commands that the server answers late on purpose, and how late.

A reply to `BLPOP key 30` may take 30 seconds in addition to what `socket_timeout` allows
for a reply; else a queue that is merely empty would look like a broken network.
"""

from __future__ import annotations

import math
from typing import Any

__all__ = ["BLOCKING", "patience"]

# Where each command says how long it blocks: the index of that argument.
_SECONDS = {
    "BLMOVE": -1,
    "BLMPOP": 1,
    "BLPOP": -1,
    "BRPOP": -1,
    "BRPOPLPUSH": -1,
    "BZMPOP": 1,
    "BZPOPMAX": -1,
    "BZPOPMIN": -1,
}
_MILLISECONDS = {"WAIT": -1, "WAITAOF": -1}
_AFTER_WORD = frozenset({"XREAD", "XREADGROUP"})  # BLOCK milliseconds, among the options
_VALUES = {"BLOCK": 1, "CLAIM": 1, "COUNT": 1, "GROUP": 2}  # that follow an option of theirs

BLOCKING = _SECONDS.keys() | _MILLISECONDS.keys() | _AFTER_WORD


def patience(name: str, args: tuple[Any, ...]) -> float:
    """Return the seconds that a command may block: 0.0 not at all, infinity for ever.

    What is not a number is the server's to refuse, which it does at once.
    """
    args = (*_text(args[0]).split(), *args[1:])  # redis-py takes several words as one, too
    try:
        if name in _AFTER_WORD:
            return _block_option(args)
        if name in _SECONDS:
            return _for_ever_if_zero(args[_SECONDS[name]], 1)
        return _for_ever_if_zero(args[_MILLISECONDS[name]], 1000)
    except (ValueError, IndexError, KeyError, OverflowError):
        return 0.0


def _block_option(args: tuple[Any, ...]) -> float:
    """Read the option by its place: a stream or a consumer may be called "block", too."""
    at = 1
    while (word := _text(args[at]).upper()) != "STREAMS":
        if word == "BLOCK":
            return _for_ever_if_zero(args[at + 1], 1000)
        at += 1 + _VALUES.get(word, 0)
    return 0.0


def _for_ever_if_zero(value: Any, per_second: int) -> float:
    seconds = float(_text(value)) / per_second
    return seconds if seconds > 0 else math.inf


def _text(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return str(value)
