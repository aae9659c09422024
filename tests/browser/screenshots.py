"""Pictures of the status page from a real load: `python -m tests.browser.screenshots docs/images`.

Takes five minutes, which is what the page shows.
"""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from redis_pool_ext.embedded import EmbeddedRedis

from .chromium import find_chromium
from .load import Load, day

SECONDS = 268.0  # of load before the pictures: they are taken in the rush
LOOKS = {
    "desk-light": {"viewport": {"width": 1280, "height": 960}, "color_scheme": "light"},
    "desk-dark": {"viewport": {"width": 1280, "height": 960}, "color_scheme": "dark"},
    "phone-light": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
    "phone-dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}


def main(folder: Path, seconds: float = SECONDS) -> None:
    """Run the shop, let its visitors come, and take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with EmbeddedRedis() as server:
        port = _free_port()
        shop = _serve(server.url, port)
        try:
            with Load(port, day):
                time.sleep(seconds)
                take(f"http://127.0.0.1:{port}/redis-pool/", folder)
        finally:
            shop.terminate()
            shop.wait(20)


def take(address: str, folder: Path, *, process: str = "all") -> None:
    """Take all four, as small as they can be."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        for name, look in LOOKS.items():
            _take(browser, address, look, folder / f"status-{name}.png", process)
        browser.close()


def _take(browser: Browser, address: str, look: dict, picture: Path, process: str) -> None:
    is_phone = look["viewport"]["width"] < 500
    with browser.new_context(**look, device_scale_factor=2 if is_phone else 1) as context:
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#process option[value=all]", state="attached")
        page.select_option("#process", process)
        page.wait_for_selector("#server:text('in sum')" if process == "all" else "#alias")
        page.wait_for_selector("#clients tr")
        page.wait_for_selector("#holders tr:nth-child(4)")
        save(page.screenshot(full_page=not is_phone), picture)


def save(png: bytes, picture: Path) -> None:
    """With a palette: flat colours lose nothing to speak of."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)
    print(picture, picture.stat().st_size // 1024, "kB")


def _serve(url: str, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gunicorn", "--workers=3", "--threads=24"]
    shop = subprocess.Popen(
        [*command, f"--bind=127.0.0.1:{port}", "tests.browser.shop:app"],
        env=os.environ | {"REDIS_URL": url},
    )
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return shop
        time.sleep(0.05)
    shop.kill()
    raise AssertionError("gunicorn does not come up")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:]))
