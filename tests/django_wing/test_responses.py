"""What the 503 looks like: by Accept, unless the project has a page of its own."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.template.engine import Engine
from django.test import Client
from redis import Redis

from redis_pool_ext import ConnectionPoolTimeoutError, PoolUnavailableError
from redis_pool_ext.django import responses

from ..support.clock_ahead import Clock
from .conftest import TIMEOUT, Full
from .project.views import Stage

PROJECT = "tests.django_wing.project"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def own_page(settings: Any) -> None:
    """A template 503.html."""
    page = "<h1>Own page</h1>{{ retry_after }} {{ exception.alias }} {{ request }} {{ user }}"
    loader = ("django.template.loaders.locmem.Loader", {"503.html": page})
    engine = "django.template.backends.django.DjangoTemplates"
    processors = ["django.template.context_processors.request"]
    options = {"loaders": [loader], "context_processors": processors}
    settings.TEMPLATES = [{"BACKEND": engine, "OPTIONS": options}]


def get_503(client: Client, full: Full, accept: str) -> Any:
    with full():
        response = client.get("/hits/", headers={"Accept": accept})
    assert response.status_code == 503
    return response


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (BROWSER, "text/html; charset=utf-8"),
        ("application/json", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        ("*/*", "text/plain; charset=utf-8"),
        ("image/png", "text/plain; charset=utf-8"),
        ("nonsense;;q=x", "text/plain; charset=utf-8"),
    ],
)
def test_body_comes_as_accepted(client: Client, full: Full, accept: str, content_type: str) -> None:
    """Browsers get a page, programs problem+json, everybody else plain text."""
    response = get_503(client, full, accept)
    assert response["Content-Type"] == content_type
    assert response["Cache-Control"] == "no-store"


def test_json_body_says_when_to_come_back(client: Client, full: Full) -> None:
    """A program finds status and seconds in the body, too."""
    response = get_503(client, full, "application/json")
    problem = json.loads(response.content)
    assert problem["status"] == 503
    assert problem["retry_after"] == int(response["Retry-After"])


@pytest.mark.usefixtures("own_page")
def test_own_template_wins_for_browsers(client: Client, full: Full) -> None:
    """The project's 503.html is rendered for HTML, without the request."""
    response = get_503(client, full, BROWSER)
    assert response.content.decode() == f"<h1>Own page</h1>{response['Retry-After']} default  "
    assert response["Cache-Control"] == "no-store"


@pytest.mark.usefixtures("own_page")
def test_own_template_is_not_for_programs(client: Client, full: Full) -> None:
    """Who asks for JSON gets JSON, 503.html or not."""
    response = get_503(client, full, "application/json")
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.usefixtures("own_page")
@pytest.mark.parametrize("urls", ["urls_handled", "urls_handled_by_name"])
def test_own_handler_wins(client: Client, full: Full, settings: Any, urls: str) -> None:
    """handler503 answers whoever asks; what it leaves open is filled in."""
    settings.ROOT_URLCONF = f"{PROJECT}.{urls}"
    response = get_503(client, full, BROWSER)
    assert response.content == b"come back to /hits/"
    assert response["Retry-After"] == "77"
    assert response["Cache-Control"] == "no-store"


def test_own_handler_tells_full_from_down(
    client: Client, full: Full, settings: Any, nobody_there: str
) -> None:
    """handler503 gets the error itself, whose class says what is the matter."""
    settings.ROOT_URLCONF = f"{PROJECT}.urls_handled"
    get_503(client, full, "*/*")
    settings.REDIS_POOLS = {"default": {"URL": nobody_there, "TIMEOUT": TIMEOUT}}
    client.get("/hits/")
    assert [type(error) for error in Stage.seen] == [
        ConnectionPoolTimeoutError,
        PoolUnavailableError,
    ]


@pytest.mark.parametrize("urls", ["urls_broken", "urls_forgetful"])
def test_own_handler_that_fails_is_replaced(
    client: Client, full: Full, settings: Any, caplog: pytest.LogCaptureFixture, urls: str
) -> None:
    """A handler503 that raises (when its template renders), or returns nothing, is logged."""
    settings.ROOT_URLCONF = f"{PROJECT}.{urls}"
    response = get_503(client, full, "*/*")
    assert response.content.startswith(b"Service temporarily unavailable")
    assert int(response["Retry-After"]) >= 1
    assert "the project's own 503 page failed" in caplog.text


def test_password_is_in_no_answer_and_no_log(
    client: Client, settings: Any, nobody_there: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the body nor the headers nor the log show a credential or an address."""
    settings.REDIS_POOLS = {"default": {"URL": nobody_there, "TIMEOUT": TIMEOUT}}
    caplog.set_level(logging.DEBUG)
    for accept in (BROWSER, "application/json", "*/*"):
        response = client.get("/hits/", headers={"Accept": accept})
        answer = response.serialize().decode()
        assert "s3cret" not in answer
        assert "127.0.0.1" not in answer
    assert "answered 503" in caplog.text
    assert "s3cret" not in caplog.text


def test_line_break_in_the_path_stays_in_its_log_line(
    client: Client, full: Full, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A visitor cannot write a log line of their own."""
    settings.MIDDLEWARE = [f"{PROJECT}.middleware.uses_redis"]
    with full(), caplog.at_level(logging.INFO):
        client.get("/x%0Adefault: all is well")
    assert "/x\\ndefault: all is well" in caplog.records[-1].getMessage()


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The templates that were looked for, by whatever engine."""
    seen: list[str] = []
    find = Engine.find_template

    def find_template(self: Engine, name: str, *args: Any, **kwargs: Any) -> Any:
        seen.append(name)
        return find(self, name, *args, **kwargs)

    monkeypatch.setattr(Engine, "find_template", find_template)
    monkeypatch.setattr(responses, "_no_template", responses._NoTemplate())
    return seen


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_program_costs_no_look_for_a_template(
    client: Client, full: Full, looked: list[str], accept: str
) -> None:
    """Only browsers are shown the project's 503.html."""
    get_503(client, full, accept)
    assert looked == []


def test_missing_template_is_looked_for_once(
    client: Client, full: Full, looked: list[str], clock: Clock
) -> None:
    """The loaders may ask the disk; after a while they are asked again."""
    for _ in range(3):
        get_503(client, full, BROWSER)
    assert looked == ["503.html"]

    clock.advance(responses._NoTemplate.LASTS)
    get_503(client, full, BROWSER)
    assert looked == ["503.html"] * 2


@pytest.mark.usefixtures("looked")
def test_other_engines_are_asked_at_once(
    client: Client, full: Full, request: pytest.FixtureRequest
) -> None:
    """A test, or a program, that changes TEMPLATES gets its page."""
    get_503(client, full, BROWSER)
    request.getfixturevalue("own_page")
    assert get_503(client, full, BROWSER).content.startswith(b"<h1>Own page</h1>")


def test_project_that_is_being_written_has_its_new_template_at_once(
    client: Client, full: Full, looked: list[str], settings: Any
) -> None:
    """With DEBUG nothing is remembered."""
    settings.DEBUG = True
    for _ in range(2):
        get_503(client, full, BROWSER)
    assert looked == ["503.html"] * 2


@pytest.mark.parametrize("accept", [BROWSER, "application/json", "*/*"])
def test_answer_asks_redis_and_the_session_for_nothing(
    client: Client, full: Full, admin: Redis, accept: str
) -> None:
    """Not one command reaches the server, though the session is stored there."""
    client.cookies["sessionid"] = "one that is stored"
    with full():
        client.get("/hits/", headers={"Accept": accept})
        before = admin.info("stats")["total_commands_processed"]
        client.get("/hits/", headers={"Accept": accept})
        assert admin.info("stats")["total_commands_processed"] - before == 1  # INFO itself
