"""Every link of every page leads somewhere as GitHub shows it; the build looks at the site."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from ..support.markdown import anchors_of, links_of
from ..support.pages import DOCS, PAGES, ROOT

sys.path.append(str(DOCS))


def faults(page: Path) -> list[str]:
    return [url for url in links_of(page) if not holds(page, url)]


def holds(page: Path, url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return parts.scheme in {"https", "mailto"}  # they are others' pages: nobody is asked
    target = page.parent / unquote(parts.path) if parts.path else page
    if not target.exists() or not target.resolve().is_relative_to(ROOT):
        return False
    return not parts.fragment or parts.fragment in anchors_of(target)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path):
    """To a file in the repository, and to a heading that is there."""
    assert faults(page) == []


def test_wrong_links_are_found(tmp_path: Path, monkeypatch):
    """A file, an anchor, an image, a defined one and one in HTML; not what is code."""
    monkeypatch.setattr("tests.site.test_links.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# A `page`: one\n[a](#a-page-one) [b](gone.md) [c](#gone) ![d](gone.svg) [e]\n\n"
        '[e]: gone.md#e\n\n<img src="gone.png">\n\n```md\n[x](code.md)\n```\n`[x](code.md)`\n'
        "[f](../outside.md) [g](http://plain.example) [h](https://fine.example)\n"
    )

    wrong = ["#gone", "../outside.md", "gone.md", "gone.md#e", "gone.png", "gone.svg"]
    assert sorted(faults(page)) == [*wrong, "http://plain.example"]


def test_links_that_leave_the_folder_become_pages_or_names():
    """The site has a page for some files, and shows the others' names."""
    from site_links import turned_inward

    page = "[c](../CHANGELOG.md) [d](../README.md#errors) [s](../redis_pool_ext/pool.py) [o](a.md)"
    assert turned_inward(page) == (
        "[c](changelog.md) [d](index.md#errors) s (`redis_pool_ext/pool.py`) [o](a.md)"
    )
    assert (
        turned_inward("[a](../a.md) [c](../../CHANGELOG.md)", 1)
        == "[a](../a.md) [c](../changelog.md)"
    )


def test_file_that_a_page_includes_has_its_links_from_there(tmp_path: Path):
    """Markdown's and HTML's, of pages, images and folders; code stays as it is."""
    from site_links import shown_here

    docs, example = tmp_path / "docs", tmp_path / "example"
    docs.mkdir()
    example.mkdir()
    code = "```python\npages[0](name)\n```\n"
    (example / "README.md").write_text(
        "[a](../docs/a.md#b) [c](views.py) [d](deploy/) [e](#e) [f](https://fine.example/)\n"
        '<source srcset="../docs/images/g.png"><img src="h.png">\n' + code
    )

    assert shown_here("```{include} ../example/README.md\n```\n", docs) == (
        "[a](a.md#b) [c](../example/views.py) [d](../example/deploy/) [e](#e) "
        '[f](https://fine.example/)\n<source srcset="images/g.png"><img src="../example/h.png">\n'
        + code
        + "\n"
    )


def test_every_page_that_stands_for_a_file_is_there():
    """And the file is, too."""
    from site_links import PAGES as STANDING_FOR

    for file, page in STANDING_FOR.items():
        assert (ROOT / file).exists(), file
        assert (DOCS / page).exists(), page


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ('<script src="https://cdn.example/x.js">', "asks another host: https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//fonts.example">', "asks another host: //fonts.example"),
        ('<img src="gone.png">', "shows what is not there: gone.png"),
        ('<a href="gone.html">', "leads nowhere: gone.html"),
        ('<a href="#gone">', "leads nowhere: #gone"),
        ('<a href="https://fine.example"><p id="a"><a href="#a">', None),
    ],
)
def test_built_page_is_looked_at(tmp_path: Path, html: str, fault: str | None):
    """What it loads is here, and what it leads to is there."""
    from site_checks import faults as faults_of_page

    page = tmp_path / f"{abs(hash(html))}.html"
    page.write_text(html)

    assert list(faults_of_page(page)) == ([fault] if fault else [])


def test_style_sheets_are_looked_at(tmp_path: Path):
    """A font from elsewhere is found."""
    from site_checks import faults_of_styles

    (tmp_path / "a.css").write_text("@font-face {src: url(https://fonts.example/a.woff)}")
    (tmp_path / "b.css").write_text("p {background: url(b.png)}")

    assert list(faults_of_styles(tmp_path)) == ["a.css asks another host"]


def test_link_that_says_a_files_name_says_the_pages_title(tmp_path: Path):
    """On the site there are no files; other words, and code, stay as they are."""
    from site_links import called_by_title

    (tmp_path / "a-b.md").write_text("# What `a` is\n")
    rest = "[more](a-b.md) [c.md](a-b.md)\n\n```md\n[a-b.md](a-b.md)\n```\n"
    assert called_by_title(f"[a-b.md](a-b.md#x) [a-b.md](a-b.md) {rest}", tmp_path) == (
        f"[What `a` is](a-b.md#x) [What `a` is](a-b.md) {rest}"
    )
