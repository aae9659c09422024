"""Pictures for the examples' READMEs: `python -m tests.browser.example_pictures docs/images`."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from ..examples.site import Site
from .chromium import find_chromium
from .poll_site import fill, poll_site
from .screenshots import save

DESK = {"width": 1100, "height": 900}
PHONE = {"width": 390, "height": 720}


def main(folder: Path) -> None:
    """Start both examples, fill their pools, and take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        for name in ("django", "flask"):
            with poll_site(f"example_{name}") as site:
                for scheme in ("light", "dark"):
                    take(browser, site, scheme, folder, name)
        browser.close()


def take(browser: Browser, site: Site, scheme: str, folder: Path, name: str) -> None:
    """Take the page with a full pool, and beside it, on a telephone, the 503 that others see.

    That looks the same in both examples, and is taken of the one with Django.
    """
    looks = {"color_scheme": scheme, "reduced_motion": "reduce"}
    desk = browser.new_context(viewport=DESK, **looks)
    phone = browser.new_context(viewport=PHONE, device_scale_factor=2, **looks)
    with desk, phone:
        page = desk.new_page()
        page.goto(f"http://127.0.0.1:{site.port}/")
        page.click("[value=good-queue]")
        expect(page.locator("#said")).to_contain_text("Counted")
        fill(page)
        save(page.screenshot(full_page=True), folder / f"example-{name}-{scheme}.png")
        if name == "django":
            other = phone.new_page()
            other.goto(f"http://127.0.0.1:{site.port}/")
            expect(other.locator("h1")).to_contain_text("full")
            save(other.screenshot(), folder / f"example-503-{scheme}.png")
        expect(page.locator("#hold")).to_have_attribute("aria-disabled", "false", timeout=15_000)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
