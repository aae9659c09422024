"""The examples' pages in a real browser: fit for everybody, and alive while the pool is full."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from ..examples.site import Site
from .conftest import DESK, PHONE, Seen
from .example_pictures import take
from .poll_site import fill, poll_site

Look = Callable[..., Page]

PATHS = ["/", "/counter/", "/programme/", "/report/?seconds=1", "/report/apart/?seconds=1"]
LOOKS = [("light", DESK), ("dark", DESK), ("light", PHONE), ("dark", PHONE)]
LOOK_NAMES = ["light-desk", "dark-desk", "light-phone", "dark-phone"]


@pytest.fixture(scope="module", params=["example_django", "example_flask"])
def poll(request: pytest.FixtureRequest) -> Iterator[Site]:
    """The example, as a developer starts it."""
    with poll_site(request.param, POOL_TIMEOUT="0.3") as site:
        yield site


@pytest.fixture
def address(poll: Site) -> str:
    return f"http://127.0.0.1:{poll.port}"


def is_fit_for_everybody(page: Page) -> None:
    """Names, roles, order and contrast: axe finds nothing, and nothing sticks out to the side."""
    result = Axe().run(page)
    assert result.violations_count == 0, json.dumps(result.response["violations"], indent=1)[:4000]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("scheme", "size"), LOOKS, ids=LOOK_NAMES)
def test_page_is_fit_for_everybody(look: Look, address: str, scheme: str, size: dict[str, int]):
    """Each one, in both colour schemes, at a desk and on a telephone."""
    page = look(address, color_scheme=scheme, viewport=size)
    is_fit_for_everybody(page)
    for path in PATHS[1:]:
        page.goto(address + path)
        is_fit_for_everybody(page)


@pytest.mark.parametrize(("scheme", "size"), LOOKS, ids=LOOK_NAMES)
def test_full_pool_is_seen_by_everybody(
    look: Look, seen: Seen, address: str, scheme: str, size: dict[str, int]
):
    """Who holds it sees the boxes and the 503s; who comes meanwhile, the page for that."""
    seen.expected = ("503",)  # the browser tells each of them, too
    page = look(address, color_scheme=scheme, viewport=size)
    fill(page)
    expect(page.locator("#slots [data-state=busy]")).to_have_count(4)
    other = look(f"{address}/counter/", color_scheme=scheme, viewport=size)
    expect(other.locator("h1")).to_have_text("The room is full for a moment")
    is_fit_for_everybody(other)
    is_fit_for_everybody(page)
    expect(page.locator("#hold")).to_have_attribute("aria-disabled", "false")
    other.locator("#retry").click()
    expect(other.locator("h1")).to_contain_text("Which talk")


def test_vote_is_counted_in_place(look: Look, address: str):
    """The leaderboard moves, the choice is marked, and the page says so."""
    page = look(address)
    row = page.locator("#board [data-slug=small-tools] .count")
    before = int(row.inner_text())
    page.click("[value=small-tools]")
    expect(row).to_have_text(str(before + 1))
    expect(page.locator(".mine h3")).to_have_text("Small tools, long lives")
    expect(page.locator("#said")).to_contain_text("Counted")


def test_missing_page_is_fit_for_everybody(look: Look, seen: Seen, address: str):
    """404, in the example's own words."""
    seen.expected = ("404",)
    is_fit_for_everybody(look(f"{address}/no-such-page"))


@pytest.mark.parametrize("name", ["django", "flask"])
def test_toolbar_of_a_developer_shows_our_panel(look: Look, seen: Seen, name: str):
    """With DEBUG, and nothing that the page's policy forbids."""
    seen.expected = ("JQMIGRATE",)  # Flask's toolbar has an old jQuery
    with poll_site(f"example_{name}", DEBUG="1") as site:
        page = look(f"http://127.0.0.1:{site.port}/counter/")
        expect(page.locator("#djDebug, #flDebug").get_by_text("Redis").first).to_be_attached()
        assert page.evaluate("window.violations") == []
        page.close()  # before the server ends: it asks twice a second


def test_pictures_for_the_readmes_are_small(browser: Browser, poll: Site, tmp_path):
    """As the script takes them."""
    take(browser, poll, "light", tmp_path, "django")
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sorted(sizes) == ["example-503-light.png", "example-django-light.png"]
    assert max(sizes.values()) < 150_000
