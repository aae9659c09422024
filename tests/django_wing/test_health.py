"""`include("redis_pool_ext.django.health")`: the views, in threads and on an event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.test import AsyncClient, Client
from django.urls import reverse

from redis_pool_ext import ConfigError, RedisPool, get_async_pool
from tests.support.pages import run

from .asgi import MODES, OURS, all_held
from .conftest import Full

pytestmark = pytest.mark.urls("tests.django_wing.project.urls_health")

Get = Callable[..., Any]

WITH_LOGIN = """
import django
from django.conf import settings
contrib = "django.contrib."
settings.configure(
    ROOT_URLCONF="tests.django_wing.project.urls_health",
    SECRET_KEY="not a secret",
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["redis_pool_ext.django", contrib + "auth", contrib + "contenttypes"],
    MIDDLEWARE=[
        "redis_pool_ext.django.middleware.RedisPoolMiddleware",
        contrib + "sessions.middleware.SessionMiddleware",
        contrib + "auth.middleware.AuthenticationMiddleware",
        contrib + "auth.middleware.LoginRequiredMiddleware",
    ],
    REDIS_POOLS={"default": "redis://localhost:6379/0"},
)
django.setup()
from django.test import Client
for path in ("/hits/", "/health/live/", "/health/ready/"):
    print(Client().get(path).status_code)
"""


def get_sync(path: str, **query: Any) -> Any:
    return Client(raise_request_exception=False).get(path, query)


def get_async(path: str, **query: Any) -> Any:
    return asyncio.run(AsyncClient().get(path, query))


@pytest.fixture(params=[get_sync, get_async], ids=["wsgi", "asgi"])
def get(request: pytest.FixtureRequest) -> Get:
    """Asks for a page under WSGI, or under ASGI."""
    return request.param


def test_process_is_alive(get: Get) -> None:
    """Whatever its pools are like."""
    response = get("/health/live/")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert response["Cache-Control"] == "no-store"


def test_process_is_ready(get: Get) -> None:
    """The server answers."""
    response = get("/health/ready/")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "pools": {"default": "ok"}}


def test_pool_of_the_right_kind_is_asked(pool: RedisPool) -> None:
    """That of threads under WSGI, that of the loop under ASGI: the one that has the requests."""
    get_async("/health/ready/")
    assert pool.stats().created == 0
    get_sync("/health/ready/")
    assert pool.stats().created == 1


def test_unready_is_503_and_nobodys_error(
    get: Get, settings: Any, nobody_there: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A probe every few seconds shall mail nobody."""
    settings.REDIS_POOLS = {"default": nobody_there}
    response = get("/health/ready/")
    assert (response.status_code, response.json()["status"]) == (503, "unready")
    assert [each for each in caplog.records if each.name.startswith("django")] == []
    assert mail.outbox == []
    assert "s3cret" not in response.content.decode() + caplog.text


def test_setting_says_what_is_asked_for(get: Get, settings: Any, nobody_there: str) -> None:
    """Read for each request, so that tests can change it."""
    settings.REDIS_POOLS = {**settings.REDIS_POOLS, "reports": nobody_there}
    assert get("/health/ready/").status_code == 503
    settings.REDIS_POOL_HEALTH = {"POOLS": ["default"]}
    assert get("/health/ready/").status_code == 200
    assert get("/health/ready/", pools="reports").status_code == 503
    assert get("/health/ready/", pools="reports", degraded="unreachable").status_code == 200
    assert get("/health/ready/", pools="nothing").status_code == 400


def test_wrong_setting_is_an_error(settings: Any) -> None:
    """`manage.py check` names it, too."""
    settings.REDIS_POOL_HEALTH = {"POLS": ["default"]}
    with pytest.raises(ConfigError, match="REDIS_POOL_HEALTH: 'POLS' is not known"):
        Client().get("/health/ready/")


def test_full_pool_is_told_while_it_is_full(full: Full, pool: RedisPool) -> None:
    """The probe's own request takes no connection, and waits for none."""
    with full():
        assert get_sync("/hits/").status_code == 503
        assert get_sync("/health/ready/").json()["pools"] == {"default": "busy"}
        assert get_sync("/health/live/").status_code == 200
    assert pool.stats().waiting == 0


def test_full_pool_of_a_loop_is_told_while_it_is_full() -> None:
    """Under ASGI, with requests that wait beside the probe."""

    async def main() -> Any:
        async with all_held():
            waiter = asyncio.create_task(get_async_pool().get_connection())
            while not get_async_pool().stats().waiting:
                await asyncio.sleep(0)
            answer = await AsyncClient().get("/health/ready/")
            waiter.cancel()
            return answer

    response = asyncio.run(main())
    assert response.status_code == 503
    assert response.json()["pools"] == {"default": "saturated"}


@pytest.mark.parametrize("path", ["/health/live/", "/health/ready/"])
def test_nothing_but_reading_is_allowed(get: Get, path: str) -> None:
    """HEAD is reading."""
    client = Client()
    assert client.head(path).status_code == 200
    assert client.post(path).status_code == 405


@MODES
def test_views_work_over_middleware_of_either_kind(settings: Any, inside: list[str]) -> None:
    """Over one that cannot do async, the stack runs in a thread."""
    settings.MIDDLEWARE = [OURS, *inside]
    assert get_async("/health/ready/").status_code == 200


def test_views_are_exempt_from_the_duty_to_log_in(url: str) -> None:
    """Who probes has no account; any other view is not shown."""
    # In a process of its own: Django's app for users registers checks, for good.
    assert run(WITH_LOGIN, url).splitlines() == ["302", "200", "200"]


def test_no_session_is_touched(get: Get) -> None:
    """Neither loaded nor begun: there is no cookie, and nothing was asked for it."""
    assert get("/health/ready/").cookies == {}


def test_views_have_names() -> None:
    """For `reverse`, under the app's name."""
    assert reverse("redis_pool_health:ready") == "/health/ready/"
    assert reverse("redis_pool_health:live") == "/health/live/"


def test_black_hole_is_answered_for_in_time(get: Get, settings: Any) -> None:
    """One that accepts connections and says nothing; the pool itself would wait for long."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        url = f"redis://127.0.0.1:{hole.getsockname()[1]}/0"
        settings.REDIS_POOLS = {"default": {"URL": url, "TIMEOUT": 50}}
        settings.REDIS_POOL_HEALTH = {"TIMEOUT": 0.2}
        assert get("/health/ready/").json()["pools"] == {"default": "unreachable"}
