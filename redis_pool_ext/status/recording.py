"""What one request did with Redis: its commands, its connections. For debug panels.

A command is told by its name and its first argument, most often a key; values are never kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any

from ..pooling.base import all_pools

__all__ = ["Command", "Recording", "Taking", "shown"]

# Commands and takings of one request that are kept, each; of what is beyond there is the number.
MOST = 1000

_LONGEST = 60  # signs of an argument
_IN_A_PIPELINE = 8  # commands of a pipeline that are named

# What has a second word to its name.
_OF_TWO_WORDS = frozenset({
    "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "FUNCTION", "LATENCY", "MEMORY", "MODULE",
    "OBJECT", "PUBSUB", "SCRIPT", "SLOWLOG", "XGROUP", "XINFO",
})  # fmt: skip
# Their arguments are no keys: a password, a script, a value.
_SAY_NOTHING = frozenset({
    "ACL", "AUTH", "CLIENT", "CONFIG", "DEBUG", "ECHO", "EVAL", "EVAL_RO", "FUNCTION", "HELLO",
    "MIGRATE", "MODULE", "PING", "SCRIPT", "SENTINEL",
})  # fmt: skip


@dataclass(slots=True)
class Command:
    """One command, or a pipeline; `seconds` include the wait for a connection, if it had one."""

    name: str
    argument: str
    seconds: float
    error: str | None = None


@dataclass(slots=True)
class Taking:
    """A connection: what was waited for it (queue and dial), and since when it is out.

    Moments are monotonic; `error` says why there was none.
    """

    alias: str
    waited: float
    taken_at: float
    returned_at: float | None = None
    error: str | None = None

    @property
    def held(self) -> float:
        """The seconds that it was out, or is by now."""
        if self.error is not None:
            return 0.0
        until = monotonic() if self.returned_at is None else self.returned_at
        return max(until - self.taken_at, 0.0)


@dataclass(slots=True)
class Recording:
    """What was recorded of one request; its threads and tasks may all write into it."""

    commands: list[Command] = field(default_factory=list)
    takings: list[Taking] = field(default_factory=list)
    left_out: int = 0

    def add(self, record: Command | Taking) -> None:
        """Keep a record, or count it only."""
        records: list[Any] = self.commands if isinstance(record, Command) else self.takings
        if len(records) < MOST:
            records.append(record)
        else:
            self.left_out += 1

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON, with the sizes that the pools have now; in seconds."""
        return {
            "commands": [asdict(each) for each in self.commands],
            "connections": [
                {
                    "pool": each.alias,
                    "waited": each.waited,
                    "held": each.held,
                    "is_back": each.returned_at is not None,
                    "error": each.error,
                }
                for each in self.takings
            ],
            "left_out": self.left_out,
            "seconds": sum(each.seconds for each in self.commands),
            "waited": sum(each.waited for each in self.takings),
            "held": sum(each.held for each in self.takings),
            "pools": [_sizes(pool) for pool in all_pools()],
        }


def _sizes(pool: Any) -> dict[str, Any]:
    stats = pool.stats()
    names = ("alias", "max_connections", "in_use", "idle", "connecting", "waiting")
    return {name: getattr(stats, name) for name in names}


def shown(args: Sequence[Any]) -> tuple[str, str]:
    """Return the name of a command, and its first argument as it may be shown."""
    # redis-py takes several words as one argument, too.
    words: list[Any] = _text(args[0]).split() if args else []
    rest = [*words[1:], *args[1:]]
    name = words[0].upper() if words else "?"
    has_argument = name not in _SAY_NOTHING
    if name in _OF_TWO_WORDS and rest:
        name += f" {_short(rest.pop(0)).upper()}"
    return name, _short(rest[0]) if rest and has_argument else ""


def shown_pipeline(commands: Sequence[Sequence[Any]]) -> str:
    """Return what the first commands of a pipeline are, as `shown` has them."""
    named = [" ".join(shown(args)).rstrip() for args in commands[:_IN_A_PIPELINE]]
    beyond = len(commands) - len(named)
    return "; ".join([*named, f"{beyond} more"] if beyond > 0 else named)


def _text(argument: Any) -> str:
    if isinstance(argument, bytes):
        return argument.decode("utf-8", "backslashreplace")
    return str(argument) if isinstance(argument, str | int | float) else type(argument).__name__


def _short(argument: Any) -> str:
    if isinstance(argument, str | bytes):
        argument = argument[: _LONGEST + 1]
    text = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in _text(argument))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
