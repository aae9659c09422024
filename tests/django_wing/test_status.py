"""The status page in Django: for staff, or for whom the project's guard lets in."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.checks.registry import registry
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import AsyncClient, Client

from redis_pool_ext import get_pool
from redis_pool_ext.status.page import PATHS

from ..support.pages import ROOT

HERE = "/redis-pool/"


def anybody(**facts: bool) -> SimpleNamespace:
    """Return a user: a stranger, or with `facts` one who has logged in."""
    usual = {"is_active": True, "is_staff": False, "is_authenticated": bool(facts)}
    return SimpleNamespace(**usual | facts)


class Who:
    """Who the next visitor is; there is no database in these tests."""

    user: Any = None


def authentication(get_response):
    """Stand where AuthenticationMiddleware does."""

    def middleware(request):
        if Who.user is not None:
            request.user = Who.user
        return get_response(request)

    return middleware


@pytest.fixture
def page(settings, monkeypatch) -> Any:
    """The project with the page in it, and users that are whoever a test says."""
    # As the app of users is loaded it adds checks of its own, which would ask for it ever after.
    monkeypatch.setattr(registry, "registered_checks", set(registry.registered_checks))
    settings.INSTALLED_APPS = [
        *settings.INSTALLED_APPS, "django.contrib.contenttypes", "django.contrib.auth"
    ]  # fmt: skip
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.authentication"]
    settings.ROOT_URLCONF = "tests.django_wing.project.urls_status"
    monkeypatch.setattr(Who, "user", anybody())
    return settings


@pytest.fixture
def guarded(settings) -> Any:
    """The project without django.contrib.auth, whose own guard a test sets."""
    settings.ROOT_URLCONF = "tests.django_wing.project.urls_status"
    settings.REDIS_POOL_STATUS_GUARD = lambda _request: True
    return settings


# -- staff -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_staff_sees_everything(page, visitor, path: str):
    """The page, its files and its numbers."""
    Who.user = anybody(is_staff=True)

    response = visitor.get(HERE + path)
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", [path for path in PATHS if path])
def test_anonymous_visitor_gets_no_numbers_and_no_file(page, visitor, path: str):
    """403, and nothing of the page: a script can do nothing with a login."""
    response = visitor.get(HERE + path)

    assert (response.status_code, response.content) == (403, b"not you")


def test_anonymous_visitor_of_the_page_is_sent_to_the_login(page, visitor):
    """As Django's admin does it; without an admin to the project's own login."""
    response = visitor.get(HERE)

    assert response.status_code == 302
    assert response.headers["Location"] == "/accounts/login/?next=/redis-pool/"
    assert response.content == b""


@pytest.mark.parametrize("facts", [{"is_staff": False}, {"is_staff": True, "is_active": False}])
@pytest.mark.parametrize("path", ["", "status.json"])
def test_user_who_is_no_active_staff_is_refused(page, visitor, facts: dict[str, bool], path: str):
    """403, at the page as well: another login would not help."""
    Who.user = anybody(**facts)

    assert visitor.get(HERE + path).status_code == 403


def test_page_under_asgi_is_the_same(page):
    """An async project serves it by a thread of its own."""
    Who.user = anybody(is_staff=True)

    response = asyncio.run(AsyncClient().get(HERE + "status.json"))
    assert response.json()["pools"][0]["alias"] == "default"


def test_nothing_can_be_sent_to_it(page, visitor):
    """It only shows."""
    Who.user = anybody(is_staff=True)

    assert visitor.post(HERE).status_code == 405


def test_page_takes_no_connection(page, visitor, full):
    """It comes up while somebody else holds all of them."""
    Who.user = anybody(is_staff=True)

    with full():
        assert [visitor.get(HERE + path).status_code for path in PATHS] == [200] * len(PATHS)
        assert get_pool().stats().acquired == 0


def test_sessions_in_the_full_pool_are_a_503(page, visitor, full):
    """Who has to be asked for in Redis has to wait for it, as everywhere."""
    page.REDIS_POOL_STATUS_GUARD = lambda request: "key" in request.session
    visitor.cookies["sessionid"] = "somebody"

    with full():
        assert visitor.get(HERE).status_code == 503


def test_pool_that_nobody_has_used_yet_is_shown(guarded, visitor):
    """With its settings, and without a connection."""
    guarded.MIDDLEWARE = []  # ours would make it
    get_pool().close()

    (pool,) = visitor.get(HERE + "status.json").json()["pools"]
    assert pool["stats"]["created"] == 0
    assert pool["settings"]["max_connections"] == 2


# -- the project's own guard -----------------------------------------------------------------


def test_guard_lets_in_and_refuses(guarded, visitor):
    """By what it returns for the request; django.contrib.auth is not needed."""
    guarded.REDIS_POOL_STATUS_GUARD = lambda request: request.headers.get("X-Key") == "mine"

    assert visitor.get(HERE + "status.json").status_code == 403
    assert visitor.get(HERE + "status.json", headers={"X-Key": "mine"}).status_code == 200


def test_guard_may_answer_itself(guarded, visitor):
    """A 404, or the way to a login."""
    guarded.REDIS_POOL_STATUS_GUARD = lambda _request: HttpResponse("no such page", status=404)

    assert visitor.get(HERE).status_code == 404


async def slow_guard(request):
    """Ask somebody for a moment."""
    await asyncio.sleep(0)
    return request.headers.get("X-Key") == "mine"


def test_guard_may_be_named_and_a_coroutine_function(guarded, visitor):
    """It is awaited: what it would be without that is true by accident."""
    guarded.REDIS_POOL_STATUS_GUARD = f"{__name__}.slow_guard"

    assert visitor.get(HERE).status_code == 403
    assert visitor.get(HERE, headers={"X-Key": "mine"}).status_code == 200


def test_guard_that_returns_something_else_lets_nobody_in(guarded):
    """Whatever is true by accident."""
    guarded.REDIS_POOL_STATUS_GUARD = lambda _request: object()

    with pytest.raises(ImproperlyConfigured, match=r"STATUS_GUARD: it returned object, not True"):
        Client().get(HERE)


@pytest.mark.parametrize(
    ("guard", "words"),
    [
        (None, "set REDIS_POOL_STATUS_GUARD to a function"),
        ("no.such.guard", "'no.such.guard' cannot be imported"),
        (True, "True is no function"),
    ],
)
def test_page_without_anybody_to_ask_refuses_to_be_included(settings, guard: Any, words: str):
    """As the URLs are read, with the way out."""
    settings.REDIS_POOL_STATUS_GUARD = guard
    from redis_pool_ext.django import status

    with pytest.raises(ImproperlyConfigured, match=words):
        importlib.reload(status)


def test_page_without_the_middleware_says_what_is_missing(page):
    """Nobody is taken for staff, and nobody for a stranger."""
    Who.user = None

    with pytest.raises(ImproperlyConfigured, match="AuthenticationMiddleware"):
        Client().get(HERE)


PROJECT = """
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF="__main__", REDIS_POOLS={"default": "SERVER"},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["redis_pool_ext.django", "django.contrib.auth", "django.contrib.messages",
        "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.admin"],
    MIDDLEWARE=["redis_pool_ext.django.middleware.RedisPoolMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages"]}}])
django.setup()
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import include, path
urlpatterns = [
    path("admin/", admin.site.urls), path("redis-pool/", include("redis_pool_ext.django.status"))]
call_command("check")
call_command("migrate", verbosity=0)
User.objects.create_user("staff", password="x", is_staff=True)
User.objects.create_user("guest", password="x")
for name in ("", "guest", "staff"):
    client = Client()
    if name:
        client.login(username=name, password="x")
    answers = [client.get("/redis-pool/" + page) for page in ("", "status.json")]
    print([(answer.status_code, answer.headers.get("Location")) for answer in answers])
"""


def test_real_project_with_an_admin_lets_staff_in_only(url):
    """With Django's own users, sessions and login."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROJECT.replace("SERVER", url)],
        capture_output=True, text=True, check=False, timeout=50, cwd=ROOT,
    )  # fmt: skip

    assert ended.stdout.splitlines()[-3:] == [
        "[(302, '/admin/login/?next=/redis-pool/'), (403, None)]",
        "[(403, None), (403, None)]",
        "[(200, None), (200, None)]",
    ], ended.stderr
