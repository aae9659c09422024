"""What can be asked for: the sub-commands and their arguments, as data for whoever parses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..config import PoolConfig
from ..sizing.advice import TARGET

__all__ = ["COMMANDS", "Argument", "Command", "Options", "Project"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Whose pools a command is about.

    `pools` are its settings; None for a plain program, which has no settings that a command
    could know: then the pools are those of the processes that answer. `uses` says what an
    alias is used for ("cache", "sessions"), where the wing knows.
    """

    prog: str
    pools: Mapping[str, PoolConfig] | None = None
    uses: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was given on the command line; times in seconds."""

    json: bool = False
    alias: tuple[str, ...] = ()
    all: bool = False
    timeout: float = 1.0
    interval: float = 2.0
    count: int | None = None
    workers: int | None = None
    target: float = TARGET
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One option of a sub-command.

    `kind` turns its text into the value, and raises `ValueError`; None for a flag.
    `is_for_plain`: there is nothing to say it for where a project has settings.
    """

    name: str
    help: str
    kind: Callable[[str], Any] | None = None
    metavar: str = ""
    default: Any = None
    repeats: bool = False
    is_for_plain: bool = False

    @property
    def field(self) -> str:
        """Its name in `Options`."""
        return self.name.removeprefix("--")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One sub-command, and what it takes."""

    name: str
    help: str
    arguments: tuple[Argument, ...]

    def arguments_for(self, *, plain: bool) -> list[Argument]:
        """Return the arguments for a project, or for a plain program."""
        return [each for each in self.arguments if plain or not each.is_for_plain]


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise ValueError(f"{text} is not a time: give seconds above 0, up to 3600")
    return value


def _number(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(f"{text} is too small: give 1 or more")
    return value


def _text(text: str) -> str:
    return text


_JSON = Argument(name="--json", help="print JSON, for machines")
_ALIAS = Argument(
    name="--alias", kind=_text, metavar="NAME", repeats=True, default=(),
    help="only this pool; may be given several times",
)  # fmt: skip
_ALL = Argument(name="--all", help="all processes of this user, those of other projects, too")
_TARGET = Argument(
    name="--target", kind=_seconds, metavar="SECONDS", default=TARGET,
    help=f"what the size advice aims at: 99 of 100 wait no longer (default: {TARGET:g})",
)  # fmt: skip
_URL = Argument(
    name="--url", kind=_text, metavar="URL", is_for_plain=True,
    help="the server; its query takes the pool's settings",
)  # fmt: skip


def _timeout(seconds: float, what: str) -> Argument:
    return Argument(
        name="--timeout", kind=_seconds, metavar="SECONDS", default=seconds,
        help=f"how long {what} may take in all (default: {seconds:g})",
    )  # fmt: skip


_ASKING = _timeout(1.0, "the processes' answers")

COMMANDS = {
    each.name: each
    for each in (
        Command(
            name="stats",
            help="how full the pools of each process are, and who holds their connections",
            arguments=(_JSON, _ALIAS, _ALL, _ASKING, _TARGET),
        ),
        Command(
            name="watch",
            help="the same, live, with the last minutes as sparklines",
            arguments=(
                *(_JSON, _ALIAS, _ALL, _ASKING),
                Argument(
                    name="--interval", kind=_seconds, metavar="SECONDS", default=2.0,
                    help="between two looks (default: 2)",
                ),
                Argument(
                    name="--count", kind=_number, metavar="N",
                    help="end after so many looks (default: with Ctrl-C)",
                ),
            ),
        ),
        Command(
            name="config",
            help="each pool's settings as understood, credentials hidden",
            arguments=(_JSON, _ALIAS, _ALL, _ASKING, _URL),
        ),
        Command(
            name="ping",
            help="dial each server and ask it for a PONG",
            arguments=(_JSON, _ALIAS, _timeout(4.0, "dials and answers"), _URL),
        ),
        Command(
            name="doctor",
            help="look for what is wrong, or will be, and say the way out",
            arguments=(
                *(_JSON, _ALIAS, _ALL, _timeout(4.0, "the look at everything"), _TARGET),
                Argument(
                    name="--workers", kind=_number, metavar="N",
                    help="processes that will serve (default: those that answer)",
                ),
                _URL,
            ),
        ),
    )
}  # fmt: skip
