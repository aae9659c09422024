"""The commands: `manage.py redis_pool`, `flask redis-pool`, `python -m redis_pool_ext`.

They know no framework. A wing hands in a `Project`, and what was given on its command line;
tables need `rich` (the extra `cli`), `--json` needs nothing.
"""

from .arguments import add_commands, given
from .options import COMMANDS, Argument, Command, Options, Project
from .run import run

__all__ = [
    "COMMANDS",
    "Argument",
    "Command",
    "Options",
    "Project",
    "add_commands",
    "given",
    "run",
]
