"""Whether this process serves, or is a command that is over in a moment."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from django.core.management import find_commands

__all__ = ["is_command"]

# Django's own that serve.
_SERVE = {"runserver", "testserver"}
_PROGRAMS = {"manage.py", "django-admin", "django-admin.py"}
_DJANGO = ("django.core.management", "redis_pool_ext.django.management")


def is_command() -> bool:
    """Tell whether `manage.py` runs one of Django's commands, or one of ours.

    Not one of somebody else's: a queue's worker, or another server, is started by such.
    """
    program = Path(sys.argv[0])
    is_module = program.name == "__main__.py" and program.parent.name == "django"
    if not (is_module or program.name in _PROGRAMS):
        return False
    return len(sys.argv) < 2 or (sys.argv[1] in _commands() and sys.argv[1] not in _SERVE)


def _commands() -> set[str]:
    found = [find_spec(name) for name in _DJANGO]
    folders = [each.submodule_search_locations for each in found if each is not None]
    return {name for each in folders if each for name in find_commands(each[0])}
