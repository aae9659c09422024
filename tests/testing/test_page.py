"""docs/testing.md: its tests are tests, and what its tables name is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from redis_pool_ext import testing

from ..support.pages import DOCS, ROOT, blocks
from .test_plugin import PLUGIN, SITE

PAGE = DOCS / "testing.md"

# The project of the page's tests: a view that counts, at "/".
PROJECT = SITE.replace('"n"', '"hits"').replace(
    '"redis://nowhere.invalid/0"', '{"URL": "redis://nowhere.invalid/0"}'
)


def files() -> dict[str, str]:
    """Return the page's tests by the name of their file."""
    named = {}
    for block in blocks(PAGE):
        found = re.match(r"# (test_\w+\.py)\n", block)
        assert found is not None, block
        named[found[1]] = block
    return named


def count(code: str) -> int:
    return len(re.findall(r"^ *(?:async )?def test_", code, re.MULTILINE))


def run_tests(folder: Path, tests: dict[str, str], *plugins: str, more: str = "") -> str:
    """Run them in one process, with the page's setting, and return what pytest says."""
    (ini,) = blocks(PAGE, "ini")
    (folder / "pytest.ini").write_text(f"{ini}filterwarnings = error\n{more}")
    (folder / "site_of_page.py").write_text(PROJECT)
    for name, code in tests.items():
        (folder / name).write_text(code)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", PLUGIN, *plugins],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    return ended.stdout + ended.stderr


def test_tests_of_the_page_pass(tmp_path):
    """All that need no plugin for coroutines."""
    for library in ("django", "flask", "pytest_django", "fakeredis"):
        pytest.importorskip(library)
    tests = {name: code for name, code in files().items() if "mark.asyncio" not in code}
    django = ("-p", "pytest_django.plugin", "--ds", "site_of_page")

    said = run_tests(tmp_path, tests, *django)
    assert f"{sum(map(count, tests.values()))} passed" in said, said


def test_coroutines_of_the_page_pass(tmp_path):
    """With pytest-asyncio, which `tox -e asyncio` has."""
    pytest.importorskip("pytest_asyncio")
    tests = {name: code for name, code in files().items() if "mark.asyncio" in code}

    scope = "asyncio_default_fixture_loop_scope = function\n"  # of which it warns where it is unset
    said = run_tests(tmp_path, tests, "-p", "pytest_asyncio.plugin", more=scope)
    assert f"{sum(map(count, tests.values()))} passed" in said, said


def test_page_names_all_of_the_kit():
    """Whoever looks for a name finds it there."""
    named = set(re.findall(r"\w+", PAGE.read_text()))

    assert set(testing.__all__) - {"Block", "SentCommands"} <= named


def test_extra_is_there():
    """The page's first line installs it."""
    assert "\ntesting =\n" in (ROOT / "setup.cfg").read_text()
    assert "redis-pool-ext[testing]" in PAGE.read_text()
