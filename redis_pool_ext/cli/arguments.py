"""The sub-commands for `argparse`; Django's parsers are such, too."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from .options import COMMANDS, Argument, Options

__all__ = ["add_commands", "given"]


def add_commands(commands: Any, *, plain: bool = False) -> None:
    """Add each sub-command to what `add_subparsers()` has returned."""
    for command in COMMANDS.values():
        parser = commands.add_parser(command.name, help=command.help, description=command.help)
        for argument in command.arguments_for(plain=plain):
            _add(parser, argument)


def given(values: Mapping[str, Any]) -> Options:
    """Return what was parsed, the other options of a framework left out."""
    known: dict[str, Any] = {
        each.name: values[each.name] for each in fields(Options) if each.name in values
    }
    known["alias"] = tuple(known.get("alias") or ())
    return Options(**known)


def _add(parser: argparse.ArgumentParser, argument: Argument) -> None:
    if argument.kind is None:
        parser.add_argument(argument.name, action="store_true", help=argument.help)
        return
    parser.add_argument(
        argument.name,
        type=_said_plainly(argument.kind),
        action="append" if argument.repeats else "store",
        metavar=argument.metavar,
        default=None if argument.repeats else argument.default,
        help=argument.help,
    )


def _said_plainly(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse show the words of a `ValueError`."""

    def convert(text: str) -> Any:
        try:
            return kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert
