"""`manage.py redis_pool ...`: see the project's Redis pools, and what is wrong with them."""

from __future__ import annotations

from typing import Any, TextIO, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from ....cli import Project, add_commands, given, run
from ....cli.output import Output
from ....config import read_settings
from ....problems import ConfigError
from ...handover import SETTING
from ...uses import uses_of_pools

__all__ = ["Command"]


class Command(BaseCommand):
    """The door: arguments and settings in, an exit status out."""

    help = "See the project's Redis pools, and what is wrong with them."
    requires_system_checks: tuple[str, ...] = ()  # it is to work where something else is broken

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the sub-commands."""
        add_commands(parser.add_subparsers(dest="subcommand", required=True))

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run one of them; raises `SystemExit` with its status, unless that is 0."""
        name = options["subcommand"]
        try:
            pools = read_settings(getattr(settings, SETTING, {}), SETTING)
        except ConfigError as error:
            self.stderr.write(f"manage.py redis_pool {name}: {error}")
            raise SystemExit(2) from None
        project = Project(prog="manage.py redis_pool", pools=pools, uses=uses_of_pools())
        status = run(name, project, given(options), self._output(options))
        if status:
            raise SystemExit(status)

    def _output(self, options: dict[str, Any]) -> Output:
        # The streams inside Django's wrappers, which end each write with a line.
        colour = False if options["no_color"] else True if options["force_color"] else None
        out, err = (cast(TextIO, stream._out) for stream in (self.stdout, self.stderr))
        return Output(out=out, err=err, colour=colour)
