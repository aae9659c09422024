"""A real Chromium, which must load nothing from elsewhere and complain of nothing.

Not among the default tests: `tox -e browser` asks for this folder, and fails without a browser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from redis_pool_ext import RedisPool, get_pool
from redis_pool_ext.status import servers

from .chromium import find_chromium
from .site import Site, flask_app, serving

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

# Notes what must not happen, before the page's own script runs.
WATCH = """
window.violations = [];
window.shifts = 0;
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
new PerformanceObserver((list) => list.getEntries().forEach(
  (entry) => { if (!entry.hadRecentInput) window.shifts += entry.value; }
)).observe({ type: "layout-shift", buffered: true });
"""


@dataclass
class Seen:
    """What went on in a page."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()  # parts of complaints that belong to a test


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """See no processes but those of the test, and nothing that servers have said before."""
    monkeypatch.setattr(servers, "_said", {})
    with TemporaryDirectory(prefix="desks-") as place:  # a socket's path is short
        monkeypatch.setenv("REDIS_POOL_STATUS_DIR", place)
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser of all tests."""
    program = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@pytest.fixture
def guard() -> dict[str, Any]:
    """What the guard says, to be changed by a test."""
    return {"verdict": True}


@pytest.fixture
def app(url: str, guard: dict[str, Any]) -> Flask:
    """An app with a pool of two connections."""
    return flask_app(url, lambda: guard["verdict"])


@pytest.fixture
def site(app: Flask) -> Iterator[Site]:
    """The app, served."""
    with serving(app) as site:
        yield site


@pytest.fixture
def pool(app: Flask) -> RedisPool:
    """The pool that the page shows."""
    with app.app_context():
        return get_pool()


@pytest.fixture
def seen() -> Seen:
    """What went on in the test's pages."""
    return Seen()


@pytest.fixture
def look(browser: Browser, seen: Seen) -> Iterator[Callable[..., Page]]:
    """Opens pages; afterwards nothing may have gone wrong in them."""
    contexts: list[BrowserContext] = []
    hosts: set[str] = set()

    def open_page(address: str, *, has_clock: bool = False, **how: Any) -> Page:
        context = browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce"} | how)
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.add_init_script(WATCH)
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("console", lambda message: _note(seen, message))
        if has_clock:  # the test's own
            page.clock.install()
        page.goto(address)
        hosts.add(urlsplit(address).netloc)
        return page

    yield open_page
    violations = [page.evaluate("window.violations") for c in contexts for page in c.pages]
    for context in contexts:
        context.close()
    assert {urlsplit(each).netloc for each in seen.requests} <= hosts
    assert [each for each in violations if each] == []
    assert [c for c in seen.complaints if not any(part in c for part in seen.expected)] == []


def _note(seen: Seen, message: Any) -> None:
    if message.type in {"error", "warning"}:
        seen.complaints.append(message.text)
