"""Links that leave this folder, as the site has them, and pages that stand for files outside.

The pages are read on GitHub, too: there `../CHANGELOG.md` is a file beside this folder. Here it
is a page, and a file of the source code is a name. There a page is a file, and may be called so;
here it has a title.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

# The pages of the site that show what lies outside of this folder.
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "benchmarks/results/table.md": "results.md",
    "example_django/": "example-django.md",
    "example_django/README.md": "example-django.md",
    "example_flask/": "example-flask.md",
    "example_flask/README.md": "example-flask.md",
}

_INCLUDED = re.compile(r"^```\{include\} (\S+)\n```$", re.MULTILINE)
_FENCED = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)
_OUTWARD = re.compile(r"(?<!!)\[([^\]]*)\]\(((?:\.\./)+)([^)#\s]+)(#[^)\s]+)?\)")
_BY_FILE = re.compile(r"\[([\w-]+\.md)\]\(\1(#[^)\s]+)?\)")
_HEADING = re.compile(r"^# (.+)$", re.MULTILINE)
# Where a link or an image leads, of Markdown and of HTML: not an anchor, not another host.
_TARGET = re.compile(r"(?<=\]\()([^)#\s:]+)(?=[)#])|(?<=src=\")([^\":]+)|(?<=srcset=\")([^\":]+)")


def setup(app: Any) -> None:
    """Take part in the build of the Sphinx application `app`."""
    app.connect("source-read", _on_source)
    app.connect("build-finished", _copy_images)


def shown_here(text: str, folder: Path) -> str:
    """Return a page's text with the files that it includes, their links seen from its `folder`."""

    def included(found: re.Match[str]) -> str:
        file = (folder / found[1]).resolve()
        return moved(file.read_text(encoding="utf-8"), file.parent, folder)

    return _INCLUDED.sub(included, text)


def moved(text: str, old: Path, new: Path) -> str:
    """Return a text with the links that it had in the folder `old`, for the folder `new`."""

    def relative(found: re.Match[str]) -> str:
        path = os.path.relpath(old / found[0], new)
        return path + "/" if found[0].endswith("/") else path

    return _outside_of_code(text, lambda part: _TARGET.sub(relative, part))


def turned_inward(text: str, depth: int = 0) -> str:
    """Return a page's text with links within the site; `depth` folders lie above the page."""

    def inward(found: re.Match[str]) -> str:
        words, ups, path, anchor = found.groups()
        if ups.count("/") <= depth:
            return found[0]  # it does not leave the folder
        page = PAGES.get(path)
        if page is not None:
            return f"[{words}]({'../' * depth}{page}{anchor or ''})"
        return words if path in words else f"{words} (`{path}`)"

    return _outside_of_code(text, lambda part: _OUTWARD.sub(inward, part))


def called_by_title(text: str, folder: Path) -> str:
    """Return a page's text in which links that say a page's file name say its title instead."""

    def called(found: re.Match[str]) -> str:
        heading = _HEADING.search((folder / found[1]).read_text(encoding="utf-8"))
        return found[0] if heading is None else f"[{heading[1]}]({found[1]}{found[2] or ''})"

    return _outside_of_code(text, lambda part: _BY_FILE.sub(called, part))


def _outside_of_code(text: str, change: Callable[[str], str]) -> str:
    parts = _FENCED.split(text)
    return "".join(part if number % 2 else change(part) for number, part in enumerate(parts))


def _on_source(app: Any, name: str, source: list[str]) -> None:
    page = Path(app.srcdir, name)
    for found in _INCLUDED.finditer(source[0]):
        app.env.note_dependency(str((page.parent / found[1]).resolve()))
    text = shown_here(source[0], page.parent)
    source[0] = called_by_title(turned_inward(text, name.count("/")), page.parent)


def _copy_images(app: Any, error: Exception | None) -> None:
    """Copy what pages show by HTML of their own, which Sphinx does not look into."""
    if error is None:
        shutil.copytree(HERE / "images", Path(app.outdir) / "images", dirs_exist_ok=True)
