"""An example with some votes, for a browser to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, expect

from redis_pool_ext.embedded import EmbeddedRedis

from ..examples.site import Site

VOTES = [  # who came before, and what they chose
    ("Row 2", "good-queue"),
    ("Ada", "plain-words"),
    ("Row 7", "good-queue"),
    ("", "night-shift"),
    ("Grace", "moving-maps"),
    ("Balcony", "plain-words"),
    ("Row 11", "good-queue"),
]


@contextmanager
def poll_site(package: str, **env: str) -> Iterator[Site]:
    """Start the example on a Redis of its own, and let some visitors vote."""
    with (
        TemporaryDirectory() as folder,
        EmbeddedRedis() as server,
        Site(package, Path(folder), REDIS_URL=server.url, **env) as site,
    ):
        for name, choice in VOTES:
            visitor = site.visitor()
            visitor.post("/name/", name=name)
            visitor.vote(choice)
        yield site


def fill(page: Page) -> None:
    """Press the button that holds all connections, and wait for the first 503."""
    page.click("#hold")
    expect(page.locator("#log .full").first).to_be_visible()
