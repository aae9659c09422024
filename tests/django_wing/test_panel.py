"""The panel in django-debug-toolbar itself, in a project of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.support.pages import DOCS, ROOT, block_with

PAGE = DOCS / "debug-panels.md"

pytest.importorskip("debug_toolbar")

PROGRAM = """\
import asyncio, json, os, sys, types
settings = types.ModuleType("settings")
sys.modules["settings"] = settings
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
settings.__dict__.update(
    DEBUG=True, SECRET_KEY="x", ALLOWED_HOSTS=["*"], INTERNAL_IPS=["127.0.0.1"], USE_TZ=True,
    ROOT_URLCONF="urls", STATIC_URL="/static/", DATABASES={},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    INSTALLED_APPS=["django.contrib.staticfiles", "debug_toolbar", "redis_pool_ext.django"],
    MIDDLEWARE=["redis_pool_ext.django.middleware.RedisPoolMiddleware",
                "debug_toolbar.middleware.DebugToolbarMiddleware"],
    REDIS_POOLS={"default": os.environ["REDIS_URL"]},
    # Without a file of icons, and with the page in the answer.
    DEBUG_TOOLBAR_CONFIG={"RENDER_PANELS": True, "SHOW_TOOLBAR_CALLBACK": lambda _request: True},
)
exec(BLOCK, settings.__dict__)
settings.DEBUG_TOOLBAR_PANELS = settings.DEBUG_TOOLBAR_PANELS[-1:]
import django
django.setup()
from django.http import HttpResponse
from django.urls import path
from debug_toolbar.toolbar import debug_toolbar_urls

def index(request):
    request.redis.set("<b>key</b>", "s3cret")
    request.redis.get("greeting")
    return HttpResponse("<html><body>hello</body></html>")

async def aindex(request):
    await request.aredis.set("<b>key</b>", "s3cret")
    await request.aredis.get("greeting")
    return HttpResponse("<html><body>hello</body></html>")

urls = types.ModuleType("urls")
urls.urlpatterns = [path("", index), path("async", aindex), *debug_toolbar_urls()]
sys.modules["urls"] = urls
from django.test import AsyncClient, Client

def told(response):
    return [response.content.decode(), response.headers["Server-Timing"]]

answers = [told(Client().get("/")), told(Client().get("/"))]
answers.append(told(asyncio.run(AsyncClient().get("/async"))))
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(redis_server: Any) -> list[tuple[str, str]]:
    """Two pages of a sync view and one of an async view, and their `Server-Timing`."""
    program = PROGRAM.replace("BLOCK", repr(block_with(PAGE, "DEBUG_TOOLBAR_PANELS")))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": redis_server.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(each) for each in json.loads(done.stdout)]


@pytest.mark.parametrize("which", [0, 1, 2], ids=["first", "second", "async"])
def test_toolbar_shows_the_commands_of_its_request(
    answers: list[tuple[str, str]], which: int
) -> None:
    """Those of this request and no other; by name and key, escaped, without the value."""
    page, _ = answers[which]
    assert "2 commands in " in page
    assert "<td>SET</td><td>&lt;b&gt;key&lt;/b&gt;</td>" in page
    assert "<td>GET</td><td>greeting</td>" in page
    assert "s3cret" not in page


def test_toolbar_shows_the_connection_and_the_pool(answers: list[tuple[str, str]]) -> None:
    """The connection is out yet: our middleware is around the toolbar's."""
    page, _ = answers[0]
    assert "<td>still out</td>" in page
    assert "<tr><td>default</td><td>1</td><td>0</td><td>0</td><td>0</td><td>16</td></tr>" in page


def test_browser_is_told_the_times(answers: list[tuple[str, str]]) -> None:
    """As the toolbar does for its own panels."""
    for _, timing in answers:
        assert "RedisPoolPanel_commands;dur=" in timing
        assert 'desc="Redis pool"' in timing


def test_missing_toolbar_is_named_with_its_extra() -> None:
    """It is imported with the panel, and never otherwise."""
    code = (
        "import sys; sys.modules['debug_toolbar'] = None\n"
        "import redis_pool_ext.django.apps\n"
        "import redis_pool_ext.django.panel"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.django_wing.project.settings"},
    )
    assert "pip install 'redis-pool-ext[django-debug-toolbar]'" in done.stderr
