"""What holds of every page that was made: no other host is asked, and no link leads nowhere.

Each fault is a warning, and with `sphinx-build -W` an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

# What a browser loads by itself; a link is followed by a person.
_LOADED = {"src", "srcset", "data", "poster", "action"}


class Page(HTMLParser):
    """The links, the loaded files and the anchors of one page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag says."""
        for name, value in attrs:
            if value is None:
                continue
            if name in {"id", "name"}:
                self.anchors.add(value)
            elif name == "href" and tag == "a":
                self.links.append(value)
            elif name in _LOADED or (name == "href" and tag == "link"):
                self.loaded.append(value.split()[0] if value else value)


@cache
def page(file: Path) -> Page:
    """Return what a file has in it."""
    return Page(file)


def faults(file: Path) -> Iterator[str]:
    """Yield what is wrong with one page."""
    for url in page(file).loaded:
        if urlsplit(url).netloc:
            yield f"asks another host: {url}"
        elif not _leads_somewhere(file, url):
            yield f"shows what is not there: {url}"
    for url in page(file).links:
        if not _leads_somewhere(file, url):
            yield f"leads nowhere: {url}"


def _leads_somewhere(file: Path, url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return True
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if not target.is_file():
        return False
    anchor = unquote(parts.fragment)
    return not anchor or target.suffix != ".html" or anchor in page(target).anchors


def faults_of_styles(folder: Path) -> Iterator[str]:
    """Yield what style sheets ask of other hosts."""
    for file in sorted(folder.rglob("*.css")):
        text = file.read_text(encoding="utf-8")
        if "url(http" in text or "url(//" in text or "@import" in text:
            yield f"{file.relative_to(folder)} asks another host"


def setup(app: Any) -> None:
    """Take part in the build of the Sphinx application `app`."""
    app.connect("build-finished", _look)


def _look(app: Any, error: Exception | None) -> None:
    from sphinx.util import logging

    if error is not None or app.builder.format != "html":
        return
    logger, folder = logging.getLogger(__name__), Path(app.outdir).resolve()
    for file in sorted(folder.rglob("*.html")):
        for fault in faults(file):
            logger.warning("%s: %s", file.relative_to(folder), fault)
    for fault in faults_of_styles(folder):
        logger.warning("%s", fault)
