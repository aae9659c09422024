"""What the examples' READMEs show: each block is run, or stands in the file that it names."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

from ..support.pages import ROOT, blocks, headed_blocks

PACKAGES = [f"example_{name}" for name in ("django", "flask") if find_spec(name)]
pytestmark = pytest.mark.parametrize("package", PACKAGES)


def readme(package: str) -> Path:
    return ROOT / package / "README.md"


def test_blocks_for_the_shell_are_those_that_are_run(package: str) -> None:
    """Start and commands by contract.py, what is for production by production.py."""
    start, commands, production = blocks(readme(package), "sh")
    assert f"python -m {package}" in start
    assert "count" in commands
    assert "gunicorn --config" in production


def test_what_is_installed_exists(package: str) -> None:
    """The extras are ours, and the start is what the other tests start."""
    lines = blocks(readme(package), "sh")[0].splitlines()
    install, start = (shlex.split(line, comments=True) for line in lines)
    extras = re.fullmatch(r"redis-pool-ext\[([\w,]+)\]", install[2])
    assert extras
    assert {*extras[1].split(",")} <= {*metadata("redis-pool-ext").get_all("Provides-Extra", [])}
    assert start == ["python", "-m", package]


def test_lines_of_python_stand_in_the_lesson(package: str) -> None:
    """Word for word, in the file that the heading names."""
    shown = headed_blocks(readme(package))
    assert len(shown) == 4
    for heading, block in shown:
        (name,) = re.findall(r"`(lesson_\w+\.py)`", heading)
        assert block in (ROOT / package / name).read_text()


def test_files_that_are_named_are_there(package: str) -> None:
    """Each lesson has its heading, in order; files and pictures exist."""
    text = readme(package).read_text()
    lessons = sorted(path.name for path in (ROOT / package).glob("lesson_*.py"))
    assert re.findall(r"^## \d\. .*`(.*)`$", text, re.MULTILINE) == lessons
    for name in re.findall(r"`([\w/]+\.(?:py|html))`", text):
        assert (ROOT / package / name).is_file(), name
    for picture in re.findall(r'(?:src|srcset)="([^"]+)"', text):
        assert (ROOT / package / picture).is_file(), picture


def test_every_variable_is_told(package: str) -> None:
    """What the code reads from the environment is in the table, and nothing else is."""
    read = r"""(?:flag|names|required|seconds|whole|environ\.get)\(\s*"([A-Z_]+)\""""
    code = "".join(path.read_text() for path in sorted((ROOT / package).glob("*.py")))
    rows = re.findall(r"^\| (`[A-Z].*?) \|", readme(package).read_text(), re.MULTILINE)
    told = re.findall(r"`(\w+)`", "".join(rows))
    assert sorted(told) == sorted(set(re.findall(read, code)) - {"FLASK_DEBUG"})
