"""Links that leave this folder, as the site has them.

The pages are read on GitHub, too: there `../CHANGELOG.md` is a file beside this folder. Here it
is a page, and a file of the source code is a name.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

# The pages of the site that show what lies outside of this folder.
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
    "benchmarks/results/table.md": "results.md",
    "example_django/": "example-django.md",
    "example_django/README.md": "example-django.md",
    "example_flask/": "example-flask.md",
    "example_flask/README.md": "example-flask.md",
}

_OUTWARD = re.compile(r"(?<!!)\[([^\]]*)\]\(((?:\.\./)+)([^)#\s]+)(#[^)\s]+)?\)")


def setup(app: Any) -> None:
    """Take part in the build of the Sphinx application `app`."""
    app.connect("source-read", _on_source)
    app.connect("build-finished", _copy_images)


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

    return _OUTWARD.sub(inward, text)


def _on_source(_app: Any, name: str, source: list[str]) -> None:
    source[0] = turned_inward(source[0], name.count("/"))


def _copy_images(app: Any, error: Exception | None) -> None:
    """Copy what pages show by HTML of their own, which Sphinx does not look into."""
    if error is None:
        shutil.copytree(HERE / "images", Path(app.outdir) / "images", dirs_exist_ok=True)
