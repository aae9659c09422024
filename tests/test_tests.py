"""The tests themselves: each states the behaviour that it proves, in a sentence."""

from __future__ import annotations

import ast
from pathlib import Path

FOLDER = Path(__file__).parent


def all_tests() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (f"{path.name}:{node.lineno}", node)
        for path in FOLDER.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_")
    ]


def test_every_test_has_a_sentence():
    """A docstring that ends as a sentence does."""
    found = all_tests()
    missing = [place for place, node in found if not (ast.get_docstring(node) or "").strip()]

    assert missing == []
    assert len(found) > 100


def test_no_folder_shadows_a_framework():
    """A test folder named like a framework would be imported in its place."""
    assert not [p for p in FOLDER.rglob("*") if p.name in ("django", "flask", "redis")]
