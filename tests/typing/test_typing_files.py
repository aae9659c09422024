"""The files that type checkers read have all in them that they are for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.pages import DOCS, ROOT, blocks

FOLDER = Path(__file__).parent
PACKAGE = ROOT / "redis_pool_ext"

# What users import in Django; the rest is named in its settings.
DJANGO = ("cache/__init__", "decorators", "middleware", "requests", "sessions")
FILES = [
    ("__init__", "api"),
    ("flask/__init__", "flask_api"),
    ("testing/__init__", "testing_api"),
    *((f"django/{module}", "django_api") for module in DJANGO),
]


def public_names(module: str) -> set[str]:
    """Return what is in `__all__`, without the libraries that an import would ask for."""
    for node in ast.parse((PACKAGE / f"{module}.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    raise AssertionError(f"{module} has no __all__")


def used_names(file: str) -> set[str]:
    """Return the names that a file does something with; to import one is not to use it."""
    tree = ast.parse((FOLDER / f"{file}.py").read_text())
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@pytest.mark.parametrize(("module", "file"), FILES)
def test_checked_file_uses_every_public_name(module: str, file: str) -> None:
    """So the type of each is seen by the checkers as its users see it."""
    assert public_names(module) - used_names(file) == set()


def test_every_block_of_the_page_is_in_a_checked_file() -> None:
    """Word for word, one file each."""
    shown = [path.read_text().split('"""\n\n', 1)[1] for path in FOLDER.glob("shown_*.py")]

    assert sorted(blocks(DOCS / "typing.md")) == sorted(shown)
