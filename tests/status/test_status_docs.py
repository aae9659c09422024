"""What docs/status-page.md says is so, and its code runs."""

from __future__ import annotations

import re

import pytest

from redis_pool_ext.status.page import respond

from ..support.pages import DOCS, README, block_with, blocks, project, run

PAGE = DOCS / "status-page.md"

KEY = "import os; os.environ['STATUS_KEY'] = 'mine'\n"
OPS = (
    "import sys, types; sys.modules['ops'] = ops = types.ModuleType('ops')\nexec({!r}, vars(ops))\n"
)
VIEWS = "from django.http import HttpResponse\nindex = lambda request: HttpResponse('ok')\n"
ASK_DJANGO = """
exec({!r}, vars(urls))
from django.urls import clear_url_caches
clear_url_caches()
for key in ("", "mine"):
    answer = Client().get("/redis-pool/status.json", headers={{"X-Status-Key": key}})
    print(answer.status_code)
"""


def test_guard_of_django_lets_in_who_has_the_key(url):
    """The settings, the URLs and the function make a project."""
    pytest.importorskip("django")
    settings = block_with(README, "# settings.py") + block_with(PAGE, '"ops.may_see_status"')
    program = project(settings, VIEWS, ASK_DJANGO.format(block_with(PAGE, "# urls.py")))
    ops = OPS.format(block_with(PAGE, "# ops.py"))

    assert run(KEY + ops + program, url).split()[-2:] == ["403", "200"]


ASK_SESSIONS = """
from importlib import import_module
from redis_pool_ext import get_pool
store = import_module(settings.SESSION_ENGINE).SessionStore()
store["visits"] = 1
store.save()
print([get_pool(alias).stats().acquired > 0 for alias in ("default", "sessions")])
"""


def test_sessions_are_on_a_pool_of_their_own(url):
    """With the settings shown: the default pool is not asked."""
    pytest.importorskip("django")
    settings = block_with(README, "# settings.py") + block_with(PAGE, "SESSION_CACHE_ALIAS")

    assert run(project(settings, VIEWS, ASK_SESSIONS), url).splitlines()[-1] == "[False, True]"


def test_guard_of_flask_lets_in_who_has_the_key(url):
    """The block is an application."""
    pytest.importorskip("flask")
    ask = """
for key in ("", "mine"):
    print(app.test_client().get("/redis-pool/", headers={"X-Status-Key": key}).status_code)
"""
    assert run(KEY + block_with(PAGE, "blueprint(guard=") + ask, url).split() == ["403", "200"]


def test_policy_is_the_one_that_is_sent():
    """Word for word."""
    (shown,) = re.findall(r"^    (default-src.*?)\n\n", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    sent = respond("", {}).headers["Content-Security-Policy"]

    assert re.sub(r"\s+", " ", shown) == sent


def test_pictures_are_there_and_small():
    """Each is in the repository, and none is larger than 150 kB."""
    names = re.findall(r"images/[\w-]+\.png", PAGE.read_text())

    assert len(set(names)) == 4
    assert all(10_000 < (DOCS / name).stat().st_size < 150_000 for name in names)


def test_no_block_of_the_page_is_left_out():
    """All of them are run above."""
    assert len(blocks(PAGE)) == 5
