"""docs/ten-minutes-django.md and docs/ten-minutes-flask.md, done to the letter."""

from __future__ import annotations

import re
from importlib.metadata import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from ..support.pages import DOCS
from ..support.threads import wait_until
from .terminal import Newcomer, free_port, is_shown


class Followed(NamedTuple):
    """A page, and how its server says that it is up."""

    page: Path
    port: int
    up: str


PAGES = {
    "django": Followed(DOCS / "ten-minutes-django.md", 8000, "Starting development server"),
    "flask": Followed(DOCS / "ten-minutes-flask.md", 5000, "Debugger is active"),
}
REDIS = 6379

each_page = pytest.mark.parametrize("framework", PAGES)


def is_blocked(admin: redis.Redis) -> bool:
    return any(client["cmd"] == "blpop" for client in admin.client_list())


@each_page
def test_whoever_follows_the_page_sees_what_it_shows(
    framework: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """From an empty folder to a counter, a 503 in three forms, and the name of who holds it."""
    pytest.importorskip(framework)
    page, port, up = PAGES[framework]
    ports = {str(port): free_port(), str(REDIS): free_port()}
    newcomer = Newcomer(page, tmp_path_factory.mktemp("n"), ports)
    seen = ""
    with newcomer.serving(), redis.Redis(port=ports[str(REDIS)]) as admin:
        try:
            for kind, text in newcomer.go_on():
                if kind == "asks":
                    newcomer.says(up)
                elif kind == "waits":
                    wait_until(lambda: is_blocked(admin), 20)
                elif kind == "said":
                    seen += text
                elif kind == "shown":
                    said = newcomer.log.read_text() if "held by:" in text else seen
                    assert is_shown(text, said), f"the page shows:\n{text}\nseen was:\n{said}"
                    seen = ""
            assert newcomer.ended()[-1] == "that took long\n"
        finally:
            admin.shutdown(nosave=True)


@each_page
def test_what_the_page_installs_is_what_it_needs(framework: str) -> None:
    """The extras are there, by name."""
    extras = re.findall(r"redis-pool-ext\[(.*?)\]", PAGES[framework].page.read_text())
    assert f"{framework},cli" in extras
    known = set(metadata("redis-pool-ext").get_all("Provides-Extra"))
    assert {extra for group in extras for extra in group.split(",")} <= known


@each_page
def test_page_asks_for_nothing_that_it_does_not_show(framework: str) -> None:
    """Each block is typed, written or compared; there is no other kind."""
    kinds = re.findall(r"^```(\w+)$", PAGES[framework].page.read_text(), re.MULTILINE)
    assert set(kinds) <= {"sh", "python", "html", "text"}
    assert kinds.count("text") >= 6
