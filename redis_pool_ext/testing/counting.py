"""`assert_max_redis_commands`: how much a request asks of Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..pooling.base import PoolBase
from ..problems import ConfigError, Problem, shown
from ..wire.sticky import name_of
from .blocks import block
from .tapping import tapping
from .taps import Commands, Tap

__all__ = ["SentCommands", "assert_max_redis_commands"]

# Commands whose first argument is no key, and may be a secret, or as long as a program.
_NO_KEY = frozenset({
    "ACL", "AUTH", "CLIENT", "CONFIG", "ECHO", "EVAL", "EVAL_RO", "FUNCTION", "HELLO", "MIGRATE",
    "SCRIPT",
})  # fmt: skip
_LONGEST = 60  # characters of a key that are shown
_SHOWN = 50  # commands


class SentCommands(Tap):
    """What was sent so far, in order: a command's name and its first argument, mostly a key.

    Values are not kept: they may be secret.
    """

    def __init__(self, alias: str | None = None) -> None:
        self._alias = alias
        self.commands: list[str] = []

    def __len__(self) -> int:
        return len(self.commands)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(self.commands) or 'none'}>"

    def is_for(self, pool: PoolBase) -> bool:
        """Tell whether it counts the commands of this pool."""
        alias = pool.alias.partition("@")[0]  # a cluster's nodes have a pool each
        return self._alias is None or alias == self._alias

    def sends(self, connection: Any, commands: Commands) -> None:
        """Note commands that are about to be sent."""
        names = ["bytes packed elsewhere"] if commands is None else list(map(_shown, commands))
        self.commands += names


@block
def assert_max_redis_commands(n: int, alias: str | None = None) -> Iterator[SentCommands]:
    """Fail if more than `n` commands are sent to Redis inside, and list them.

    Counts what this process sends on the pools of `alias` (None: on all of them), in all its
    threads and tasks: each command of a pipeline, and its MULTI and EXEC; each attempt of one
    that is sent again. It does not count what pools ask for themselves: the handshake of a new
    connection, and the PING of an idle one.
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        problem = f"{shown(n)} is not a number of commands"
        raise ConfigError(
            [Problem("E003", "assert_max_redis_commands(n)", problem, "give an int, 0 or more")]
        )
    sent = SentCommands(alias)
    with tapping(sent):
        yield sent
    if len(sent) > n:
        raise AssertionError(_told(sent.commands, n))


def _shown(args: tuple[Any, ...]) -> str:
    name = name_of(args)
    if len(args) < 2 or name.partition(" ")[0] in _NO_KEY:
        return name
    key = args[1].decode(errors="replace") if isinstance(args[1], bytes) else str(args[1])
    return f"{name} {key if len(key) <= _LONGEST else key[:_LONGEST] + '...'}"


def _told(commands: list[str], n: int) -> str:
    listed = [f"  {number}. {command}" for number, command in enumerate(commands[:_SHOWN], 1)]
    if len(commands) > _SHOWN:
        listed.append(f"  and {len(commands) - _SHOWN} more")
    return f"{len(commands)} commands were sent to Redis, {n} may be:\n" + "\n".join(listed)
