"""The status page in a real browser: what a person sees there is so, whatever goes on."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Barrier
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Page, expect

from redis_pool_ext import PoolExhaustedError, PoolUnavailableError, RedisPool, get_pool

from ..status.neighbour import neighbour
from ..support.server import Server
from ..support.threads import spawn, wait_until
from .conftest import DESK, PHONE, Seen
from .site import Site, django_app, flask_app, serving, set_django_up

Look = Callable[..., Page]


@contextmanager
def held(pool: RedisPool, *names: str) -> Iterator[None]:
    """Hold a connection under each of these names."""
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(pool.lease(name)).get("key")
        yield


def use(pool: RedisPool, times: int) -> None:
    """Take and give back a connection so many times."""
    for _ in range(times):
        with pool.lease("GET /cart (cart)") as client:
            client.ping()


def total(page: Page, name: str) -> Any:
    """Return where a total stands."""
    return page.locator(f"#totals [data-name={name}] dd")


# -- the figures -------------------------------------------------------------------------------


def test_figures_are_those_of_stats_to_the_last_request(look: Look, site: Site, pool: RedisPool):
    """After a load with known counts, some of it refused: served, waited, refused."""
    threads, times = 4, 150
    use(pool, 1)
    wait_until(lambda: bool(pool.samples()))  # what came before them is in totals only
    pages = look(site.address)
    began = Barrier(threads)
    crowd = [spawn(lambda: (began.wait(), use(pool, times))) for _ in range(threads)]
    for thread in crowd:
        thread.result()
    pool.timeout = 0.01
    with held(pool, "one", "two"):
        for _ in range(3):
            with pytest.raises(PoolExhaustedError), pool.lease() as client:
                client.ping()

    stats = pool.stats()
    assert (stats.acquired, stats.refused) == (threads * times + 3, 3)
    expect(total(pages, "acquired")).to_have_text(f"{stats.acquired:,}")
    expect(total(pages, "waited")).to_have_text(f"{stats.waited:,}")
    expect(total(pages, "released")).to_have_text(f"{stats.released:,}")
    expect(total(pages, "refused")).to_have_text("3")
    expect(total(pages, "timed_out")).to_have_text("3")
    expect(pages.locator("#refused-more")).to_contain_text("3 since the start")
    # The last minute's come with the samples, once a second.
    expect(pages.locator("#refused")).to_have_text("3")
    rows = pages.locator("#as-table")
    rows.locator("summary").click()
    expect(pages.locator("#table tr").first).to_be_visible()
    served = [
        int(cell.replace(",", ""))
        for cell in pages.locator("#table td:nth-child(7)").all_inner_texts()
    ]
    assert sum(served) in (stats.acquired - 1, stats.acquired)  # the first began the samples


def test_exhausted_pool_names_who_has_the_connections(look: Look, site: Site, pool: RedisPool):
    """The page comes up at once, and says who holds, for how long, and who waits."""
    with held(pool, "GET /report (shop.report)", "GET /export (shop.export)"):
        waiting = spawn(use, pool, 1)
        wait_until(lambda: pool.stats().waiting == 1)
        page = look(site.address)

        expect(page.locator("#in-use")).to_have_text("2")
        expect(page.locator("#max")).to_have_text("2")
        expect(page.locator("#waiting")).to_have_text("1")
        expect(page.locator("#state")).to_have_text("all in use, requests wait")
        expect(page.locator("#holders tr")).to_have_count(2)
        expect(page.locator("#holders tr").first).to_contain_text("GET /report (shop.report)")
        expect(page.locator("#holders code").first).to_have_text("GET")
    waiting.result()
    expect(page.locator("#state")).to_have_text("connections are free")
    expect(page.locator("#holders")).to_contain_text("Nobody")


def test_names_are_text_whatever_is_in_them(look: Look, url: str):
    """A request's path and a client's name may be markup: it is shown, not obeyed."""
    evil = "<img src=x onerror=document.title='owned'>"
    client = "<img/src=x/onerror=document.title='owned'>"
    entry = {"URL": url, "MAX_CONNECTIONS": 2, "OPTIONS": {"client_name": client}}
    app = flask_app(url, lambda: True, default=entry)
    with app.app_context():
        pool = get_pool()
    with serving(app) as site, held(pool, evil):
        wait_until(lambda: bool(pool.shares()))
        page = look(site.address)

        expect(page.locator("#holders th").first).to_have_text(evil)
        expect(page.locator("#shares li").first).to_contain_text(evil)
        expect(page.locator("#clients")).to_contain_text(client)
        expect(page.locator("#settings")).to_contain_text(client)
        assert page.locator("img").count() == 1  # its own
        assert page.title() == "Redis pool"


def test_moment_is_read_in_all_charts_at_once(look: Look, site: Site, pool: RedisPool):
    """A pointer on one of them tells what there was then in each."""
    use(pool, 50)
    wait_until(lambda: len(pool.samples()) >= 3)
    page = look(site.address)
    expect(page.locator("#as-table")).to_be_visible()
    chart = page.locator(".chart svg").first
    expect(chart.locator("path").first).to_be_attached()
    box = chart.bounding_box()
    assert box is not None

    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + 40)
    expect(page.locator("#moment-text")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    expect(page.locator(".chart .cursor")).to_have_count(5)
    page.mouse.move(0, 0)
    expect(page.locator("#moment-text")).to_have_text("now")


# -- what goes wrong ---------------------------------------------------------------------------


def test_server_that_is_down_is_told_and_forgotten_when_it_is_back(look: Look):
    """The page needs no Redis: it says why there is none."""
    with Server() as server:
        entry = {"URL": server.url, "MAX_CONNECTIONS": 2, "TIMEOUT": 0.3}
        app = flask_app(server.url, lambda: True, default=entry)
        with app.app_context():
            pool = get_pool()
        use(pool, 1)
        with serving(app) as site:
            page = look(site.address)
            expect(page.locator("#state")).to_have_text("connections are free")
            expect(page.locator("#clients-count")).to_contain_text("1 of")

            server.stop()
            wait_until(lambda: is_away(pool))
            expect(page.locator("#state")).to_have_text("server not reachable")
            expect(page.locator("#clients-more")).to_contain_text("ConnectionError", timeout=20_000)

            server.start()
            wait_until(lambda: not is_away(pool))
            # Until then somebody was refused, which is told for ten seconds.
            expect(page.locator("#state")).to_have_text("connections are free", timeout=20_000)
            expect(page.locator("#clients-more")).to_be_hidden(timeout=20_000)


def is_away(pool: RedisPool) -> bool:
    """Try once, and tell whether the pool has given up for now."""
    with suppress(PoolUnavailableError), pool.lease() as client:
        client.ping()
    return pool.stats().circuit != "closed"


def test_failed_question_is_told_with_the_age_of_the_numbers(look: Look, site: Site, seen: Seen):
    """The last ones stay, and are not taken for new ones."""
    seen.expected = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
    page = look(site.address)
    expect(page.locator("#live")).to_contain_text("Live")

    site.stop()
    expect(page.locator("#live")).to_have_text(
        re.compile(r"^Not up to date: the web server .*numbers are .* old")
    )
    expect(page.locator("#news")).to_contain_text("not up to date")
    expect(page.locator("#max")).to_have_text("2")

    site.start()
    expect(page.locator("#live")).to_contain_text("Live")


def test_visitor_who_is_let_in_no_more_is_told_to_log_in(look: Look, site: Site, guard, seen: Seen):
    """A session that ends while the page is open is no riddle."""
    seen.expected = ("403",)
    page = look(site.address)
    expect(page.locator("#live")).to_contain_text("Live")

    guard["verdict"] = False
    expect(page.locator("#live")).to_contain_text("reload it, and log in")


def test_page_that_nobody_looks_at_asks_nothing(look: Look, site: Site, seen: Seen):
    """It goes on when somebody does again."""
    page = look(site.address, has_clock=True)
    expect(page.locator("#live")).to_contain_text("Live")
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    before = len(seen.requests)
    page.clock.run_for(30_000)
    assert len(seen.requests) == before

    page.evaluate("Object.defineProperty(document, 'hidden', { value: false, configurable: true })")
    with page.expect_request("**/status.json*"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


# -- several processes, several pools ----------------------------------------------------------


def test_another_process_and_all_of_them_can_be_chosen(look: Look, site: Site, pool, url: str):
    """The page says which one answers, and whose numbers it shows."""
    use(pool, 1)
    with neighbour(url) as pid:
        page = look(site.address)
        expect(page.locator("#who")).to_contain_text(f"Process {os.getpid()} answers")
        expect(page.locator("#processes tr")).to_have_count(2)
        expect(page.locator("#process option")).to_have_count(3)
        expect(page.locator("#process")).to_have_value(str(os.getpid()))

        page.select_option("#process", str(pid))
        expect(page.locator("#server")).to_contain_text(f"process {pid}")
        expect(page.locator("#holders")).to_contain_text("a neighbour")
        page.select_option("#process", "all")
        expect(page.locator("#max")).to_have_text("5")
        expect(page.locator("#server")).to_contain_text("2 processes in sum")
        expect(total(page, "acquired")).to_have_text("2")


def test_page_stays_with_the_process_that_answered_first(look: Look, site: Site, pool, url: str):
    """A web server asks another worker each time: its numbers would be another pool's."""
    page = look(site.address)
    with page.expect_request(lambda request: f"process={os.getpid()}&" in request.url):
        pass
    with neighbour(url) as pid:
        page.select_option("#process", str(pid))
        expect(page.locator("#server")).to_contain_text(f"process {pid}")
    expect(page.locator("#notice")).to_contain_text(f"process {pid} is gone")
    expect(page.locator("#process")).to_have_value(str(pid))


@pytest.fixture
def several(url: str) -> Iterator[Site]:
    """An app with two pools, which were used."""
    pools = {
        name: {"URL": url, "MAX_CONNECTIONS": n} for n, name in enumerate(["default", "slow"], 3)
    }
    app: Flask = flask_app(url, lambda: True, **pools)
    with app.app_context():
        for name in pools:
            use(get_pool(name), 3)
    with serving(app) as site:
        yield site


def test_pools_are_tabs(look: Look, several: Site):
    """One at a time, the default first; the arrow keys go from one to the next."""
    page = look(several.address)
    tabs = page.get_by_role("tab")
    expect(tabs).to_have_text(["default", "slow"])
    expect(page.get_by_role("tabpanel")).to_contain_text("default")

    tabs.first.focus()
    page.keyboard.press("ArrowRight")
    expect(tabs.last).to_be_focused()
    expect(tabs.last).to_have_attribute("aria-selected", "true")
    expect(page.locator("#alias")).to_have_text("slow")
    expect(page.locator("#max")).to_have_text("4")


# -- for everybody -----------------------------------------------------------------------------


def test_keyboard_reaches_everything(look: Look, several: Site):
    """In the order of the page, and each control does its work by keys."""
    page = look(several.address)
    expect(page.locator("#table")).to_be_attached()
    expect(page.get_by_role("tab").first).to_be_visible()
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    order = [each for each in reached if each in {"process", "pause", "tab-0", "moment", "SUMMARY"}]
    assert reached[0] == "A"  # the way past the head
    assert order[:5] == ["process", "pause", "tab-0", "moment", "SUMMARY"]

    page.locator("#pause").focus()
    page.keyboard.press("Space")
    expect(page.locator("#live")).to_contain_text("Paused")
    page.locator("#moment").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#moment")).to_have_attribute(
        "aria-valuetext", re.compile(r"\d\d:\d\d:\d\d: ")
    )
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#table-caption")).to_contain_text("by 10 seconds")


LOOKS = [
    pytest.param(scheme, size, id=f"{scheme}-{name}")
    for scheme in ("light", "dark")
    for name, size in (("desk", DESK), ("phone", PHONE))
]


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_page_is_fit_for_everybody(look: Look, several: Site, scheme: str, size: dict[str, int]):
    """Names, roles, order and contrast: axe finds nothing, and nothing sticks out to the side."""
    page = look(several.address, color_scheme=scheme, viewport=size)
    expect(page.locator("#clients tr").first).to_be_visible()
    page.locator("summary").click()

    result = Axe().run(page)
    assert result.violations_count == 0, json.dumps(result.response["violations"], indent=1)[:4000]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [1280, 390], ids=["desk", "phone"])
def test_numbers_that_come_move_nothing(look: Look, site: Site, pool: RedisPool, width):
    """Who reads or points at something finds it where it was."""
    page = look(site.address, viewport={"width": width, "height": 4000})  # all of it in sight
    expect(page.locator("#clients tr").first).to_be_visible()
    expect(page.locator("#settings div").first).to_be_attached()
    before = page.evaluate("window.shifts")
    with held(pool, "GET /report (shop.report)", "GET /export (shop.export)"):
        expect(page.locator("#holders tr")).to_have_count(2)
        expect(page.locator("#state")).to_have_text("all in use")
    expect(page.locator("#holders")).to_contain_text("Nobody")

    assert page.evaluate("window.shifts") - before < 0.0005


def test_page_without_scripts_says_where_the_numbers_are(look: Look, site: Site):
    """They are JSON, and in the terminal."""
    page = look(site.address, java_script_enabled=False)

    expect(page.locator("noscript a")).to_have_attribute("href", "status.json")


# -- Django ------------------------------------------------------------------------------------


def test_page_of_django_is_the_same(look: Look, url: str):
    """One implementation: the same numbers, under the same policy."""
    set_django_up()
    from django.test import override_settings
    from django.urls import clear_url_caches

    mine = {
        "REDIS_POOLS": {"default": {"URL": url, "MAX_CONNECTIONS": 2}},
        "REDIS_POOL_STATUS_GUARD": lambda _request: True,
        "ROOT_URLCONF": "tests.django_wing.project.urls_status",
    }
    with override_settings(**mine), serving(django_app()) as site:
        clear_url_caches()
        use(get_pool(), 12)
        page = look(site.address)
        expect(total(page, "acquired")).to_have_text("12")
        expect(page.locator("#live")).to_contain_text("Live")
