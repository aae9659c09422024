"""What has to be installed before the demo can start."""

from __future__ import annotations

from importlib.util import find_spec

from .failure import INSTALL, DemoError

__all__ = ["FRAMEWORKS", "check_libraries", "choose_framework", "is_installed"]

FRAMEWORKS = ("django", "flask")
LIBRARIES = ("rich", "waitress")


def choose_framework(wanted: str | None) -> str:
    """Return the framework to show: the wanted one, else Django, else Flask.

    Raises `DemoError` when it is not installed.
    """
    for framework in (wanted,) if wanted else FRAMEWORKS:
        if is_installed(framework):
            return framework
    missing = wanted.capitalize() if wanted else "Django or Flask"
    raise DemoError(f"The demo needs {missing}: {INSTALL}", status=2)


def check_libraries() -> None:
    """Raise `DemoError` when one of the demo's own libraries is not installed."""
    missing = [name for name in LIBRARIES if not is_installed(name)]
    if missing:
        raise DemoError(f"The demo needs {' and '.join(missing)}: {INSTALL}", status=2)


def is_installed(name: str) -> bool:
    """Tell whether the top-level module `name` can be imported, without importing it."""
    return find_spec(name) is not None
