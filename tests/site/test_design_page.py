"""docs/design.md: its wing works, and what it names is there."""

from __future__ import annotations

import re

import pytest

from redis_pool_ext import RedisPool, configure, get_pool

from ..support.pages import DOCS, ROOT, blocks, load

PAGE = DOCS / "design.md"


@pytest.fixture
def wing(url):
    """The page's application, and a visitor."""
    test = pytest.importorskip("werkzeug.test")
    (block,) = blocks(PAGE)
    return test.Client(load(block, url)["app"])


def test_wing_of_the_page_leases_for_each_request(wing):
    """A visit has a connection until its body is closed."""
    first = wing.get("/", buffered=False)
    assert get_pool().stats().in_use == 1
    first.close()

    assert (first.text, wing.get("/").text) == ("1", "2")
    assert get_pool().stats().in_use == 0


def test_wing_of_the_page_answers_503(wing, url):
    """When the pool has nothing to give."""
    configure({"default": f"{url}?max_connections=1&timeout=0"})
    with get_pool().lease() as client:
        client.ping()
        answer = wing.get("/")

    assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-store")
    assert answer.headers["Retry-After"].isdecimal()


def test_files_that_are_named_are_there():
    """In the package, or in the repository."""
    named = set(re.findall(r"`((?:\w+/)*\w+\.py|tests/\w+/)`", PAGE.read_text()))
    missing = [
        name
        for name in named
        if not (ROOT / name).exists() and not (ROOT / "redis_pool_ext" / name).exists()
    ]

    assert len(named) > 20
    # A bare name beside one with its folder, as in "`django/checks.py` or `deployment.py`".
    assert [name for name in missing if not [*ROOT.rglob(name)]] == []


def test_floors_of_a_pool_are_as_drawn():
    """Each inherits what stands to its right in the drawing."""
    drawn = re.search(r"^PoolBase ── (.+) ── Ledger", PAGE.read_text(), re.MULTILINE)
    names = [cls.__name__ for cls in RedisPool.__mro__]
    order = [names.index(name) for name in drawn[1].split(" ── ")]

    assert order == sorted(order)
    for name in ("Keeping", "Dialling", "Waiting"):
        assert names.index(name) < names.index("Queueing")
