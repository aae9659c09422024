"""The wheel in an empty environment, with each extra alone: it imports, and it works."""

from __future__ import annotations

from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import pytest

from .conftest import ROOT, run

INSIDE = Path(__file__).parent / "inside"

# Which program shows that it works, and with which other extra where it is of no use alone.
WORKS = {
    "": ("with_nothing.py",),
    "cli": ("with_cli.py",),
    "demo": ("with_demo.py",),
    "django": ("with_django.py",),
    "django-debug-toolbar": ("with_django_debug_toolbar.py",),
    "fakeredis": ("with_fakeredis.py",),
    "flask": ("with_flask.py",),
    "flask-debugtoolbar": ("with_flask_debugtoolbar.py",),
    "hiredis": ("with_hiredis.py",),
    "lz4": ("with_values.py", "django"),
    "msgpack": ("with_values.py", "django"),
    "opentelemetry": ("with_opentelemetry.py",),
    "prometheus": ("with_prometheus.py",),
    "testing": ("with_testing.py",),
    "zstd": ("with_values.py", "django"),
}
# Of use in a checkout only.
FOR_DEVELOPERS = {"benchmarks", "browser", "docs", "stack", "test", "test-core", "types"}


@pytest.mark.parametrize("extra", WORKS, ids=lambda extra: extra or "none")
def test_extra_alone_imports_and_works(extra: str, install: Callable[..., Path], url: str):
    """What should import does; then a small program uses it, and has nothing to warn of."""
    program, *others = WORKS[extra]
    python = install(*filter(None, [extra]))
    run(python, "-I", "-W", "error", INSIDE / "modules.py", *filter(None, [extra]))
    if others:
        python = install(extra, *others)

    run(python, "-I", "-W", "error", INSIDE / program, url, *filter(None, [extra]))


def test_every_extra_is_tried():
    """But those that are for developers."""
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg")
    extras = set(settings["options.extras_require"])

    assert extras - FOR_DEVELOPERS == set(WORKS) - {""}
