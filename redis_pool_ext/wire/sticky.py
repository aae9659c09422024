"""Which commands leave something behind on a connection that its next user would notice.

`effect(args)` names what a command does to the connection's state. The closed list is
that of the harmless `CLIENT` subcommands: a new one is taken for sticky until somebody
has read what it does.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from .blocking import BLOCKING

__all__ = ["REPLAYED", "STREAMING", "TWO_WORDS", "Effect", "effect", "name_of"]


class Effect(Enum):
    """What a command does to the state of its connection."""

    NONE = "none"
    MARK = "mark"  # leaves state behind: the connection is not reused
    MULTI = "multi"  # opens a transaction
    EXEC = "exec"  # ends it, and drops every WATCH (EXEC, DISCARD)
    WATCH = "watch"
    UNWATCH = "unwatch"
    BLOCK = "block"  # leaves nothing behind; its reply may come late on purpose


# After these the server speaks unasked, so replies and requests no longer pair up.
STREAMING = frozenset({"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "SYNC", "PSYNC"})

# What redis-py's PubSub sets up again by itself when it reconnects.
REPLAYED = frozenset(
    {prefix + verb for prefix in ("", "P", "S") for verb in ("SUBSCRIBE", "UNSUBSCRIBE")}
)

_STICKY = (
    STREAMING
    | REPLAYED
    | {"ASKING", "AUTH", "HELLO", "QUIT", "READONLY", "READWRITE", "REPLCONF", "RESET", "SELECT"}
)
_TRANSACTION = {
    "MULTI": Effect.MULTI,
    "EXEC": Effect.EXEC,
    "DISCARD": Effect.EXEC,
    "WATCH": Effect.WATCH,
    "UNWATCH": Effect.UNWATCH,
}
_HARMLESS_CLIENT = frozenset({
    "GETNAME", "GETREDIR", "HELP", "ID", "INFO", "KILL", "LIST", "PAUSE", "TRACKINGINFO",
    "UNBLOCK", "UNPAUSE",
})  # fmt: skip
# Their second word is a part of their name; what follows any other is data.
TWO_WORDS = ("CLIENT", "SCRIPT")

# What a first argument means, by its spelling: programs use few, so this stays small.
_known: dict[Any, Effect | None] = {}
_KNOWN_MAX = 2048


def name_of(args: tuple[Any, ...]) -> str:
    """Return the command's name in upper case, of `CLIENT` and `SCRIPT` both words.

    Nothing else of the command is in it: names are logged, and redis-py sends
    `execute_command("AUTH password")`, too.
    """
    words = _words(args[0])
    if words[0] not in TWO_WORDS:
        return words[0]
    if len(words) == 1 and len(args) > 1:
        words += _words(args[1])
    return " ".join(words[:2])


def effect(args: tuple[Any, ...]) -> Effect:
    """Name what the command `args` does to its connection's state."""
    try:
        known = _known[args[0]]
    except (KeyError, IndexError, TypeError, ValueError):  # new, none, or not hashable
        known = _learn(args)
    return known if known is not None else _effect_of(name_of(args))


def _learn(args: tuple[Any, ...]) -> Effect | None:
    """Look at a first argument not seen before; None where the second one decides."""
    if not args:
        return Effect.NONE
    words = _words(args[0])
    is_decided_later = len(words) == 1 and words[0] in TWO_WORDS
    found = None if is_decided_later else _effect_of(name_of(args))
    if isinstance(args[0], str | bytes) and len(_known) < _KNOWN_MAX:
        _known[args[0]] = found
    return found


def _effect_of(name: str) -> Effect:
    first, _, second = name.partition(" ")
    if first in _TRANSACTION:
        return _TRANSACTION[first]
    if first in BLOCKING:
        return Effect.BLOCK
    if first == "CLIENT":
        return Effect.NONE if second in _HARMLESS_CLIENT else Effect.MARK
    if first in _STICKY or name == "SCRIPT DEBUG":
        return Effect.MARK
    return Effect.NONE


def _words(argument: Any) -> list[str]:
    if isinstance(argument, bytes | bytearray | memoryview):
        argument = bytes(argument).decode("utf-8", "replace")
    elif not isinstance(argument, str):  # str() of an enum's member is not what is sent
        argument = str(argument)
    return argument.upper().split() or [""]
