"""Every block of code of every page is run by a test, or at least read by its language's reader."""

from __future__ import annotations

import ast
import configparser
import json
import subprocess
import tomllib
from collections.abc import Callable
from itertools import chain

import pytest

from ..support.markdown import Block, blocks_of
from ..support.pages import PAGES, ROOT
from .shown import SHOWN, WHOLE

TESTS = ROOT / "tests"
BLOCKS = [block for page in PAGES for block in blocks_of(page, page.relative_to(ROOT).as_posix())]
RUN = {"py", "pycon", "python"}  # what SHOWN has to list

# For people, or for the site's build, which is strict.
PROSE = {"", "diff", "html", "http", "text"}


def read_yaml(code: str) -> None:
    pytest.importorskip("yaml").safe_load(code)


def read_shell(code: str) -> None:
    read = subprocess.run(["bash", "-n"], input=code, capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")


def read_console(code: str) -> None:
    """Read what is typed: the rest is what the machine says."""
    typed = [line.removeprefix("$ ") for line in code.splitlines() if line.startswith("$ ")]
    assert typed, "a console without a command"
    read_shell("\n".join(typed))


def read_ini(code: str) -> None:
    configparser.ConfigParser(interpolation=None).read_string(code)


def read_nginx(code: str) -> None:
    """Read it roughly: there is no nginx here. Braces pair up, and a line ends in one or a `;`."""
    lines = [line.partition("#")[0].strip() for line in code.splitlines()]
    assert code.count("{") == code.count("}")
    assert not [line for line in lines if line and line[-1] not in "{};"]


READERS: dict[str, Callable[[str], object]] = {
    "bash": read_shell,
    "cfg": read_ini,
    "console": read_console,
    "ini": read_ini,
    "json": json.loads,
    "nginx": read_nginx,
    "sh": read_shell,
    "toml": tomllib.loads,
    "yaml": read_yaml,
}


HAVE_PYTHON = {block.page for block in BLOCKS if block.language in RUN}


def shown() -> dict[str, str]:
    """Return the test of each block that is listed, by the block's name."""
    return {
        Block(page, heading, "python", number, "").name: test
        for page, headings in SHOWN.items()
        for heading, tests in headings.items()
        for number, test in enumerate(tests, 1)
    }


def test_every_block_of_python_has_its_test():
    """A new one without a test, and a line about one that is gone, are found here."""
    there = {block.name for block in BLOCKS if block.language in RUN and block.page not in WHOLE}
    missing = "".join(f"\n{name}" for name in sorted(there - shown().keys()))

    assert len(there) > 100
    assert missing == "", f"name the tests that run these, in tests/site/shown.py:{missing}"
    assert shown().keys() - there == set()


def test_every_language_is_known():
    """A block in another one is nobody's: give it a reader above."""
    known = RUN | PROSE | READERS.keys()
    unknown = {block.name for block in BLOCKS if block.language not in known}

    assert {name for name in unknown if "{" not in name} == set()


def pages_of() -> dict[str, set[str]]:
    """Return the pages of each test that is named."""
    pages: dict[str, set[str]] = {}
    for page, headings in SHOWN.items():
        for test in chain(*headings.values()):
            pages.setdefault(test, set()).add(page)
    for page in WHOLE.keys() & HAVE_PYTHON:
        pages.setdefault(WHOLE[page], set()).add(page)
    return pages


@pytest.mark.parametrize(("test", "pages"), sorted(pages_of().items()))
def test_the_test_of_a_block_is_there(test: str, pages: set[str]):
    """In its file, which reads the page."""
    file, _, name = test.partition("::")
    text = (TESTS / file).read_text()
    functions = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}

    assert name in functions
    for page in pages:
        assert page.rpartition("/")[2] in text or (page == "README.md" and "README" in text)


@pytest.mark.parametrize("language", READERS)
def test_block_is_read(language: str):
    """By who reads that language."""
    for block in BLOCKS:
        if block.language == language:
            READERS[language](block.code)


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("console", "$ if\n"),
        ("ini", "no section"),
        ("json", "{"),
        ("nginx", "server {\nlisten 80\n}"),
        ("sh", "if true; then"),
        ("toml", "a = "),
        ("yaml", "a: [b"),
    ],
)
def test_wrong_block_is_refused(language: str, code: str):
    """The readers do read."""
    with pytest.raises(Exception, match=r"."):
        READERS[language](code)
