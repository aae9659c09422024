"""Import every module of the installed package that should import with the extras named.

`python -I modules.py [EXTRA ...]`; it ends with a list of those that do not.
"""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import redis_pool_ext

# What is below needs the extra; of two that fit, the longer one holds.
NEEDS = {
    "redis_pool_ext.cli": "cli",
    "redis_pool_ext.demo": "demo",
    "redis_pool_ext.django": "django",
    "redis_pool_ext.django.panel": "django-debug-toolbar",
    "redis_pool_ext.flask": "flask",
    "redis_pool_ext.flask.panel": "flask-debugtoolbar",
    "redis_pool_ext.metrics.files": "prometheus",
    "redis_pool_ext.metrics.opentelemetry": "opentelemetry",
    "redis_pool_ext.metrics.prometheus": "prometheus",
}


def extra_of(module: str) -> str | None:
    """Return the extra that a module needs, if any."""
    fitting = [name for name in NEEDS if f"{module}.".startswith(f"{name}.")]
    return NEEDS[max(fitting, key=len)] if fitting else None


def failures(extras: set[str]) -> list[str]:
    """Return which modules do not import, of those that need nothing but these extras."""
    if find_spec("django") is not None:
        import_module("django.conf").settings.configure(REDIS_POOL_STATUS_GUARD=bool)
    found = []
    for module in pkgutil.walk_packages(redis_pool_ext.__path__, "redis_pool_ext.", _ignore):
        if extra_of(module.name) in {None, *extras}:
            try:
                import_module(module.name)
            except ImportError as error:
                found.append(f"{module.name}: {error}")
    return found


def _ignore(name: str) -> None:
    """A package that does not import is told of when its own turn comes."""


def main() -> None:
    """End with a sentence for each module that does not import."""
    if "site-packages" not in Path(redis_pool_ext.__file__).parts:
        raise SystemExit(f"{redis_pool_ext.__file__} is not the wheel's")
    found = failures(set(sys.argv[1:]))
    if found:
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    main()
