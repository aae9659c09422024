"""`flask redis-pool ...`: the commands, as a click group on the app's CLI."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask.cli import with_appcontext

from ..cli import COMMANDS, Argument, Command, Project, given, run
from .state import state_of_current_app

__all__ = ["group", "is_command"]

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # older ones are not generic

# Of `flask`: others (a queue's worker, say) may serve.
_DO_NOT_SERVE = {"redis-pool", "routes", "shell"}

group: click.Group = click.Group(
    "redis-pool",
    help="See the app's Redis pools, and what is wrong with them.",
    no_args_is_help=False,  # whose status is 0 or 2, by the version of click
)


def is_command() -> bool:
    """Tell whether the program is `flask`, and runs one of these commands."""
    program = Path(sys.argv[0])
    is_flask = "flask" in {program.name, program.parent.name}
    return is_flask and bool(_DO_NOT_SERVE.intersection(sys.argv[1:]))


def _add(command: Command) -> None:
    options: list[click.Parameter] = [_option(each) for each in command.arguments_for(plain=False)]
    made = click.Command(
        command.name, callback=_callback(command.name), params=options, help=command.help
    )
    group.add_command(made)


def _callback(name: str) -> Callable[..., None]:
    @with_appcontext
    def callback(**values: Any) -> None:
        project = Project(prog="flask redis-pool", pools=state_of_current_app().configs)
        click.get_current_context().exit(run(name, project, given(values)))

    return callback


def _option(argument: Argument) -> click.Option:
    if argument.kind is None:
        return click.Option([argument.name], is_flag=True, help=argument.help)
    return click.Option(
        [argument.name],
        type=_Kind(argument),
        multiple=argument.repeats,
        default=argument.default,
        metavar=argument.metavar,
        help=argument.help,
    )


class _Kind(_ParamType):
    """Converts as the argument says, and shows the words of its `ValueError`."""

    def __init__(self, argument: Argument) -> None:
        self.name = argument.field
        self._argument = argument

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value; fails where the text is none."""
        kind = self._argument.kind
        if not isinstance(value, str) or kind is None:
            return value
        try:
            return kind(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


for _command in COMMANDS.values():
    _add(_command)
